#include "gpt/parallel/process_group.h"

namespace gpt {

ProcessGroup& single_process() {
  static ProcessGroup group;
  return group;
}

}  // namespace gpt
