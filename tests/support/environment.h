// An environment variable for the time that an object lives.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace gpt::testing {

class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  explicit Environment(const char* name) : Environment(name, "") { unsetenv(name); }
  ~Environment() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

}  // namespace gpt::testing
