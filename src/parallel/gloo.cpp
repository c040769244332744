#define USE_C10D_GLOO  // the wheel has it; its header asks for this
#include <cstdlib>

#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include "backend.h"

namespace gpt {

Backend make_gloo(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                  const std::string& address, std::chrono::milliseconds timeout) {
  using Gloo = c10d::ProcessGroupGloo;
  if (std::getenv("GLOO_SOCKET_IFNAME"))
    return c10::make_intrusive<Gloo>(store, rank, size, Gloo::Options::create_default(timeout));
  auto options = Gloo::Options::create(timeout);
  options->devices = {address.empty() ? Gloo::createDefaultDevice()
                                      : Gloo::createDeviceForHostname(address)};
  return c10::make_intrusive<Gloo>(store, rank, size, options);
}

}  // namespace gpt
