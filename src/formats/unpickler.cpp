#include "gpt/formats/unpickler.h"

#include <utility>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

#include "pickle_check.h"
#include "pickle_machine.h"

namespace gpt {

namespace {

constexpr std::uint8_t kProto = 0x80, kFrame = 0x95, kStop = '.';
constexpr int kNewestProtocol = 5;

// Opcodes whose values are not in the file or that only Python 2 writes, by the names of
// pickletools.
const char* refused_name(std::uint8_t opcode) {
  switch (opcode) {
    case 'S':
      return "STRING (a Python 2 str)";
    case 0x82:
      return "EXT1 (a registered class)";
    case 0x83:
      return "EXT2 (a registered class)";
    case 0x84:
      return "EXT4 (a registered class)";
    case 0x97:
      return "NEXT_BUFFER (data outside of the file)";
    case 0x98:
      return "READONLY_BUFFER (data outside of the file)";
    default:
      return nullptr;
  }
}

}  // namespace

Unpickler::Unpickler(std::span<const std::byte> bytes, const std::string& origin,
                     const PickleLimits& limits)
    : cursor_(bytes, origin), limits_(limits) {}

PickleTree Unpickler::run(std::size_t* size) {
  for (std::uint64_t count = 0;; ++count) {
    const std::uint8_t opcode = cursor_.opcode();
    if (count == limits_.opcodes) cursor_.fail(concat("more than ", count, " opcodes"));
    if (opcode == kStop) break;
    if (opcode == kProto) {
      const std::uint64_t protocol = cursor_.unsigned_number(1);
      if (protocol > kNewestProtocol)
        cursor_.fail(concat("pickle protocol ", protocol, "; 0 to 5 are known"));
    } else if (opcode == kFrame) {
      cursor_.unsigned_number(8);  // only a hint how much to read at once
    } else if (!run_scalar(opcode) && !run_text(opcode) && !run_container(opcode) &&
               !run_stack(opcode) && !run_memo(opcode) && !run_object(opcode)) {
      refuse(opcode);
    }
  }
  if (stack_.size() != 1 || !marks_.empty())
    cursor_.fail(concat("STOP with ", stack_.size(), " values on the stack, expected one"));
  if (size)
    *size = cursor_.offset();
  else if (!cursor_.at_end())
    cursor_.fail("bytes follow the STOP");
  tree_.root_ = stack_.back();
  if (const std::string problem = tree_problem(*tree_.root_, limits_.depth); !problem.empty())
    cursor_.fail(problem);
  return std::move(tree_);
}

void Unpickler::refuse(std::uint8_t opcode) {
  const char* name = refused_name(opcode);
  cursor_.fail(name ? concat("opcode ", name,
                             " is not read; load the file with Python 3 and pickle it again")
                    : format("0x%02x is no pickle opcode; the file is damaged or no pickle",
                             static_cast<unsigned>(opcode)));
}

bool Unpickler::run_stack(std::uint8_t opcode) {
  switch (opcode) {
    case '(':
      marks_.push_back(stack_.size());
      return true;
    case '0':  // POP takes a mark if that is on top
      if (!marks_.empty() && marks_.back() == stack_.size())
        marks_.pop_back();
      else
        pop();
      return true;
    case '1':
      pop_to_mark();
      return true;
    case '2':
      stack_.push_back(top());
      return true;
    default:
      return false;
  }
}

bool Unpickler::run_memo(std::uint8_t opcode) {
  const auto index_line = [&] {
    const std::string_view line = cursor_.line();
    if (line.empty() || line.size() > 18 || line.find_first_not_of("0123456789") != line.npos)
      cursor_.fail("expected a memo index, found " + quoted_name(line));
    return std::stoull(std::string(line));
  };
  switch (opcode) {
    case 'p':
      remember(index_line());
      return true;
    case 'q':
      remember(cursor_.unsigned_number(1));
      return true;
    case 'r':
      remember(cursor_.unsigned_number(4));
      return true;
    case 0x94:
      remember(memo_.size());
      return true;
    case 'g':
      recall(index_line());
      return true;
    case 'h':
      recall(cursor_.unsigned_number(1));
      return true;
    case 'j':
      recall(cursor_.unsigned_number(4));
      return true;
    default:
      return false;
  }
}

void Unpickler::remember(std::uint64_t index) {
  PickleValue* const value = top();
  if (memo_.size() == limits_.memo)
    cursor_.fail(concat("more than ", limits_.memo, " memo entries"));
  memo_[index] = value;
}

void Unpickler::recall(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) cursor_.fail(concat("memo entry ", index, " was never set"));
  stack_.push_back(found->second);
}

PickleValue* Unpickler::top() {
  if (stack_.size() <= (marks_.empty() ? 0 : marks_.back()))
    cursor_.fail("a value is expected on the stack, there is none");
  return stack_.back();
}

PickleValue* Unpickler::pop() {
  PickleValue* const value = top();
  stack_.pop_back();
  return value;
}

PickleItems Unpickler::pop_to_mark() {
  if (marks_.empty()) cursor_.fail("a MARK is expected on the stack, there is none");
  const auto begin = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
  PickleItems items(begin, stack_.end());
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

PickleTree unpickle(std::span<const std::byte> bytes, const std::string& origin,
                    const PickleLimits& limits) {
  return Unpickler(bytes, origin, limits).run();
}

PickleTree unpickle_first(std::span<const std::byte> bytes, const std::string& origin,
                          std::size_t* size, const PickleLimits& limits) {
  return Unpickler(bytes, origin, limits).run(size);
}

PickleTree read_pickle(const std::filesystem::path& path) {
  const MappedFile file(path);
  PickleTree tree = unpickle(file.bytes(), path.string());
  file.check_unchanged();
  return tree;
}

}  // namespace gpt
