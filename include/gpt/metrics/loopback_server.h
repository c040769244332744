// A web server for this machine alone.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace gpt {

class LoopbackServer {
 public:
  struct Answer {
    int status = 200;
    std::string type = "text/html; charset=utf-8";
    std::string body;
  };
  // The path of a GET, with what follows a `?`.
  using Handler = std::function<Answer(const std::string& path)>;

  // On 127.0.0.1; port 0 is any free one. InputError if the port cannot be had.
  explicit LoopbackServer(std::int64_t port);
  ~LoopbackServer();
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;

  int port() const { return port_; }

  // Answers until `stopped`, which is asked every half second at least. Only requests that name
  // this server by a name of this machine are answered: a page from elsewhere cannot read what it
  // says, whatever its own name is made to mean.
  void serve(const Handler& handler, const std::function<bool()>& stopped);

 private:
  int descriptor_ = -1;
  int port_ = 0;
};

}  // namespace gpt
