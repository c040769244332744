#include "gpt/metrics/loopback_server.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

using HttpClock = std::chrono::steady_clock;

constexpr std::size_t kMostClients = 64, kLongestRequest = 16384;
constexpr std::chrono::seconds kPatience{10};

// A connection: what came so far, then what is still to be sent.
struct Client {
  int descriptor;
  HttpClock::time_point until;
  std::string request, answer;
  std::size_t sent = 0;
};

std::string head_value(const std::string& request, std::string_view name) {
  for (std::size_t from = request.find("\r\n"); from != std::string::npos;
       from = request.find("\r\n", from + 2)) {
    const std::string_view line = std::string_view(request).substr(from + 2);
    if (line.size() <= name.size() || line[name.size()] != ':' ||
        strncasecmp(line.data(), name.data(), name.size()) != 0)
      continue;
    const std::string_view value = line.substr(name.size() + 1);
    const auto begin = value.find_first_not_of(' ');
    const auto end = value.find_first_of("\r\n ", begin);
    return begin == std::string_view::npos ? "" : std::string(value.substr(begin, end - begin));
  }
  return "";
}

bool is_this_machine(std::string host) {
  if (const auto colon = host.rfind(':'); colon != std::string::npos && !host.ends_with(']'))
    host.resize(colon);
  return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

LoopbackServer::Answer answer_to(const std::string& request,
                                 const LoopbackServer::Handler& handler) {
  const std::string line = request.substr(0, request.find("\r\n"));
  const auto path_at = line.find(' '), end = line.rfind(' ');
  if (path_at == std::string::npos || end <= path_at ||
      line.substr(end + 1).rfind("HTTP/1.", 0) != 0)
    return {400, "text/plain", "not a request\n"};
  if (!is_this_machine(head_value(request, "Host")))
    return {403, "text/plain", "only for this machine\n"};
  if (line.substr(0, path_at) != "GET") return {405, "text/plain", "only GET\n"};
  return handler(line.substr(path_at + 1, end - path_at - 1));
}

std::string http_text(const LoopbackServer::Answer& answer) {
  static const std::pair<int, const char*> kReasons[] = {
      {200, "OK"},          {204, "No Content"},
      {400, "Bad Request"}, {403, "Forbidden"},
      {404, "Not Found"},   {405, "Method Not Allowed"},
      {431, "Too Large"},   {500, "Internal Server Error"}};
  std::string reason;
  for (const auto& [status, text] : kReasons)
    if (status == answer.status) reason = text;
  return concat("HTTP/1.1 ", answer.status, " ", reason, "\r\nContent-Type: ", answer.type,
                "\r\nContent-Length: ", answer.body.size(),
                "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
                "Connection: close\r\n\r\n") +
         answer.body;
}

// False where the connection is over.
bool receive(Client& client, const LoopbackServer::Handler& handler) {
  char piece[4096];
  const ssize_t got = recv(client.descriptor, piece, sizeof piece, 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  client.request.append(piece, static_cast<std::size_t>(got));
  if (client.request.find("\r\n\r\n") != std::string::npos)
    client.answer = http_text(answer_to(client.request, handler));
  else if (client.request.size() > kLongestRequest)
    client.answer = http_text({431, "text/plain", "too long\n"});
  client.until = HttpClock::now() + kPatience;
  return true;
}

bool send_more(Client& client) {
  const ssize_t sent = send(client.descriptor, client.answer.data() + client.sent,
                            client.answer.size() - client.sent, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  client.sent += static_cast<std::size_t>(sent);
  client.until = HttpClock::now() + kPatience;
  return client.sent < client.answer.size();
}

}  // namespace

LoopbackServer::LoopbackServer(std::int64_t port)
    : descriptor_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const int yes = 1;
  setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (descriptor_ < 0 || bind(descriptor_, generic, length) != 0 || listen(descriptor_, 16) != 0 ||
      getsockname(descriptor_, generic, &length) != 0) {
    const int error = errno;
    if (descriptor_ >= 0) close(descriptor_);
    throw InputError(concat("port ", port, " of 127.0.0.1: ", std::strerror(error),
                            "; choose another with --port=N (0 takes any that is free)"));
  }
  port_ = ntohs(address.sin_port);
}

LoopbackServer::~LoopbackServer() {
  close(descriptor_);
}

void LoopbackServer::serve(const Handler& handler, const std::function<bool()>& stopped) {
  std::vector<Client> clients;
  while (!stopped()) {
    std::vector<pollfd> waiting{{descriptor_, POLLIN, 0}};
    for (const Client& client : clients)
      waiting.push_back(
          {client.descriptor, static_cast<short>(client.answer.empty() ? POLLIN : POLLOUT), 0});
    poll(waiting.data(), waiting.size(), 500);
    for (std::size_t i = clients.size(); i > 0; --i) {
      Client& client = clients[i - 1];
      bool alive = HttpClock::now() < client.until;
      if (alive && waiting[i].revents != 0)
        alive = client.answer.empty() ? receive(client, handler) : send_more(client);
      if (alive) continue;
      close(client.descriptor);
      clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(i - 1));
    }
    if (waiting[0].revents == 0) continue;
    const int descriptor = accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0) continue;
    if (clients.size() == kMostClients)
      close(descriptor);
    else
      clients.push_back({descriptor, HttpClock::now() + kPatience, "", "", 0});
  }
  for (const Client& client : clients) close(client.descriptor);
}

}  // namespace gpt
