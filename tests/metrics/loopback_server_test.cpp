#include "gpt/metrics/loopback_server.h"

#include <arpa/inet.h>
#include <atomic>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "support/error_text.h"

namespace gpt {
namespace {

// A server that says the path back, for as long as this lives.
struct Echo {
  LoopbackServer server{0};
  std::atomic<bool> over{false};
  std::thread thread{[this] {
    server.serve(
        [](const std::string& path) {
          return LoopbackServer::Answer{200, "x", path};
        },
        [this] { return over.load(); });
  }};
  ~Echo() {
    over = true;
    thread.join();
  }
  int connect() const {
    const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
    EXPECT_EQ(::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return descriptor;
  }
  std::string ask(const std::string& request) const {
    const int descriptor = connect();
    EXPECT_EQ(send(descriptor, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    char piece[512];
    for (ssize_t got = 0; (got = recv(descriptor, piece, sizeof piece, 0)) > 0;)
      answer.append(piece, static_cast<std::size_t>(got));
    close(descriptor);
    return answer;
  }
};

std::string get(const std::string& path, const std::string& host) {
  return "GET " + path + " HTTP/1.1\r\nAccept: x\r\nhost: " + host + "\r\n\r\n";
}

TEST(LoopbackServer, AnswersThisMachine) {
  const Echo echo;
  for (const char* host : {"127.0.0.1:8008", "localhost", "localhost:1", "[::1]:80"}) {
    const std::string answer = echo.ask(get("/data.json?since=3", host));
    EXPECT_EQ(answer.rfind("HTTP/1.1 200 OK\r\n", 0), 0u) << answer;
    EXPECT_TRUE(answer.ends_with("\r\n\r\n/data.json?since=3")) << answer;
  }
}

// A page from elsewhere whose name was made to mean 127.0.0.1 sends its own name.
TEST(LoopbackServer, RefusesOtherNames) {
  const Echo echo;
  for (const char* host : {"evil.example", "evil.example:8008", "127.0.0.1.evil.example", ""})
    EXPECT_EQ(echo.ask(get("/", host)).rfind("HTTP/1.1 403", 0), 0u) << host;
  EXPECT_EQ(echo.ask("GET / HTTP/1.1\r\n\r\n").rfind("HTTP/1.1 403", 0), 0u);
}

TEST(LoopbackServer, RefusesWhatIsNoRequest) {
  const Echo echo;
  EXPECT_EQ(echo.ask("POST / HTTP/1.1\r\nHost: localhost\r\n\r\n").rfind("HTTP/1.1 405", 0), 0u);
  EXPECT_EQ(echo.ask("\x16\x03\x01 hello\r\n\r\n").rfind("HTTP/1.1 400", 0), 0u);
  EXPECT_EQ(echo.ask("GET  HTTP/2\r\n\r\n").rfind("HTTP/1.1 400", 0), 0u);
  EXPECT_EQ(echo.ask(std::string(17000, 'x')).rfind("HTTP/1.1 431", 0), 0u);
}

// Browsers open connections on which nothing comes.
TEST(LoopbackServer, OneThatSaysNothingHoldsUpNobody) {
  const Echo echo;
  std::vector<int> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(echo.connect());
  EXPECT_EQ(echo.ask(get("/", "localhost")).rfind("HTTP/1.1 200", 0), 0u);
  for (const int descriptor : silent) close(descriptor);
}

TEST(LoopbackServer, APortThatIsTakenIsTheUsersToChange) {
  const LoopbackServer first(0);
  EXPECT_NE(testing::error_text<InputError>([&] { LoopbackServer(first.port()); }).find("--port=N"),
            std::string::npos);
}

}  // namespace
}  // namespace gpt
