#include "host_address.h"

#include <memory>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gpt {

namespace {

// A datagram socket that is connected sends nothing, but the kernel has chosen its way.
std::optional<std::string> local_end(const addrinfo& target) {
  const int socket = ::socket(target.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return std::nullopt;
  sockaddr_storage own = {};
  socklen_t length = sizeof own;
  char text[NI_MAXHOST] = {};
  const bool known = ::connect(socket, target.ai_addr, target.ai_addrlen) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &length) == 0 &&
                     ::getnameinfo(reinterpret_cast<const sockaddr*>(&own), length, text,
                                   sizeof text, nullptr, 0, NI_NUMERICHOST) == 0;
  ::close(socket);
  if (!known) return std::nullopt;
  return text;
}

}  // namespace

std::optional<std::string> address_towards(const std::string& host, int port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    return std::nullopt;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, ::freeaddrinfo);
  for (const addrinfo* target = found; target; target = target->ai_next)
    if (auto address = local_end(*target)) return address;
  return std::nullopt;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

}  // namespace gpt
