// Writes values as a pickle of protocol 2, opcode by opcode, as torch.save's readers expect it
// (torch.load with weights_only=True among them).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpt {

// Values come in the order of the file: a dict is open_dict(), then key and value by turns, then
// close_dict(). The caller sees to it that what is opened is closed.
class PickleWriter {
 public:
  PickleWriter();

  void none();
  void boolean(bool value);
  void integer(std::int64_t value);
  void real(double value);
  void text(std::string_view utf8);

  void open_dict();
  void open_ordered_dict();
  void close_dict();  // of both kinds
  void open_list();
  void close_list();
  void open_tuple();
  void close_tuple();

  void global(std::string_view module, std::string_view name);
  void call();        // the function and its tuple of arguments come before
  void persistent();  // what identifies it comes before

  // The pickle; nothing may be added afterwards.
  std::string finish();

 private:
  void number(std::uint64_t value, int bytes);
  std::string bytes_;
};

}  // namespace gpt
