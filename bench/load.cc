// Load for a running server: what its clients see. See README.md.
//
//   firesteel_load streams --port 8080 --key-file admin.key --streams 64 --prompt 32 --tokens 128 --rounds 3 --vocab 8192 --ban 2
//   firesteel_load visitors --port 8080 --key-file admin.key --streams 2 --pause-ms 300 --prompt 64 --tokens 48 --seconds 30
//   firesteel_load idle --port 8080 --key-file admin.key --streams 10000 --seconds 10 --pid PID
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"

namespace firesteel {
namespace {

struct LoadOptions {
  std::string mode, key, pid;
  int64_t port = 8080, n_streams = 64, n_prompt = 32, n_tokens = 128, n_rounds = 3, n_vocab = 8192, seconds = 10, pause_ms = 300, slo_first_ms = 1000, slo_gap_ms = 100;
  std::vector<int64_t> banned;  // ids that would end an answer early
};

// One request and what came back.
struct Client {
  int fd = -1;
  std::string unsent, tail;     // tail: the end of what was read, where an event may be cut
  int status = 0;
  bool over = false, broken = false;
  int64_t start_us = 0, first_us = 0, last_us = 0, n_events = 0;
  std::vector<int64_t> gaps_us;
};

int connect_to(int64_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (fd >= 0) ::close(fd);
    return -1;
  }
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

// The prompts of `firesteel bench --streams`: random ids by (seed, stream).
std::string request_text(const LoadOptions& options, uint64_t seed, int64_t n_tokens) {
  Rng rng(seed);
  Json::Array ids;
  for (int64_t i = 0; i < options.n_prompt; ++i) ids.emplace_back(static_cast<int64_t>(rng.below(static_cast<uint64_t>(options.n_vocab))));
  Json body = Json::Object{{"prompt", Json(Json::Array{Json(std::move(ids))})}, {"max_tokens", n_tokens}, {"temperature", 0}, {"stream", true}};
  if (!options.banned.empty()) {
    Json bias = Json::Object{};
    for (const int64_t id : options.banned) bias.set(std::to_string(id), -100);
    body.set("logit_bias", std::move(bias));
  }
  const std::string text = body.dump();
  return fmt::format("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                     options.key, text.size(), text);
}

void take_bytes(Client* client, std::string_view bytes, int64_t now_us) {
  client->tail += bytes;
  if (client->status == 0 && client->tail.size() >= 12) std::from_chars(client->tail.data() + 9, client->tail.data() + 12, client->status);
  if (client->status != 0 && client->status != 200) client->broken = true;
  // Each token is an event with a piece of text; the last events have none.
  constexpr std::string_view kEvent = "data: {", kEnd = "data: [DONE]";
  size_t at = 0;
  for (;;) {
    const size_t found = client->tail.find(kEvent, at);
    if (found == std::string::npos) break;
    at = found + kEvent.size();
    if (client->first_us == 0) client->first_us = now_us - client->start_us;
    else client->gaps_us.push_back(now_us - client->last_us);
    client->last_us = now_us;
    ++client->n_events;
  }
  if (client->tail.find(kEnd) != std::string::npos) client->over = true;
  if (client->tail.find("\"error\"") != std::string::npos) client->broken = true;
  client->tail.erase(0, std::max(at, client->tail.size() > 32 ? client->tail.size() - 32 : 0));
}

// Sends and reads until every client is over, or until_us.
void run(std::vector<std::unique_ptr<Client>>* clients, int64_t until_us) {
  const int poller = epoll_create1(EPOLL_CLOEXEC);
  size_t n_open = 0;
  for (const std::unique_ptr<Client>& client : *clients) {
    if (client->fd < 0 || client->over || client->broken) continue;
    epoll_event event{};
    event.events = EPOLLIN | (client->unsent.empty() ? 0u : static_cast<uint32_t>(EPOLLOUT));
    event.data.ptr = client.get();
    epoll_ctl(poller, EPOLL_CTL_ADD, client->fd, &event);
    ++n_open;
  }
  std::vector<epoll_event> events(1024);
  std::vector<char> bytes(64 << 10);
  while (n_open > 0 && system_clock().now_us() < until_us) {
    const int64_t left_ms = (until_us - system_clock().now_us()) / 1000;
    const int n = epoll_wait(poller, events.data(), static_cast<int>(events.size()), static_cast<int>(std::clamp<int64_t>(left_ms, 0, 10)));
    for (int i = 0; i < n; ++i) {
      Client* const client = static_cast<Client*>(events[static_cast<size_t>(i)].data.ptr);
      if ((events[static_cast<size_t>(i)].events & EPOLLOUT) != 0 && !client->unsent.empty()) {
        const ssize_t sent = ::send(client->fd, client->unsent.data(), client->unsent.size(), MSG_NOSIGNAL);
        if (sent > 0) client->unsent.erase(0, static_cast<size_t>(sent));
        if (client->unsent.empty()) {
          epoll_event event{};
          event.events = EPOLLIN;
          event.data.ptr = client;
          epoll_ctl(poller, EPOLL_CTL_MOD, client->fd, &event);
        }
      }
      const ssize_t got = ::recv(client->fd, bytes.data(), bytes.size(), 0);
      if (got > 0) take_bytes(client, {bytes.data(), static_cast<size_t>(got)}, system_clock().now_us());
      else if (got == 0 || (errno != EAGAIN && errno != EINTR)) client->broken = true;
      if (!client->over && !client->broken) continue;
      epoll_ctl(poller, EPOLL_CTL_DEL, client->fd, nullptr);
      --n_open;
    }
  }
  ::close(poller);
}

double at_quantile(std::vector<int64_t> values, double q) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return static_cast<double>(values[std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())))]) * 1e-3;
}

int run_streams(const LoadOptions& options) {
  std::vector<int64_t> firsts_us, gaps_us;
  int64_t n_tokens = 0, n_good_tokens = 0, n_broken = 0, total_us = 0;
  for (int64_t round = -1; round < options.n_rounds; ++round) {  // the first one warms up
    std::vector<std::unique_ptr<Client>> clients;
    const int64_t start_us = system_clock().now_us();
    for (int64_t i = 0; i < options.n_streams; ++i) {
      auto client = std::make_unique<Client>();
      client->fd = connect_to(options.port);
      client->unsent = request_text(options, static_cast<uint64_t>((round + 2) * 100'000 + i), options.n_tokens);
      client->start_us = system_clock().now_us();
      client->broken = client->fd < 0;
      clients.push_back(std::move(client));
    }
    run(&clients, start_us + 600'000'000);
    const int64_t round_us = system_clock().now_us() - start_us;
    if (round >= 0) total_us += round_us;
    for (const std::unique_ptr<Client>& client : clients) {
      if (client->fd >= 0) ::close(client->fd);
      if (round < 0) continue;
      if (!client->over || client->broken) {
        ++n_broken;
        continue;
      }
      const int64_t n = std::min(client->n_events, options.n_tokens);  // the event that only ends an answer is no token
      n_tokens += n;
      firsts_us.push_back(client->first_us);
      gaps_us.insert(gaps_us.end(), client->gaps_us.begin(), client->gaps_us.end());
      if (client->first_us <= options.slo_first_ms * 1000 && at_quantile(client->gaps_us, 0.99) <= static_cast<double>(options.slo_gap_ms)) n_good_tokens += n;
    }
  }
  const double seconds = static_cast<double>(total_us) * 1e-6;
  const Json out = Json::Object{{"name", fmt::format("http/streams={}/prompt={}/tokens={}", options.n_streams, options.n_prompt, options.n_tokens)},
                                {"rounds", options.n_rounds}, {"tokens_per_second", static_cast<double>(n_tokens) / seconds},
                                {"goodput_tokens_per_second", static_cast<double>(n_good_tokens) / seconds},
                                {"first_token_ms", Json::Object{{"p50", at_quantile(firsts_us, 0.5)}, {"p99", at_quantile(firsts_us, 0.99)}}},
                                {"gap_ms", Json::Object{{"p50", at_quantile(gaps_us, 0.5)}, {"p99", at_quantile(gaps_us, 0.99)}}}, {"broken", n_broken}};
  fmt::print("{}\n", out.dump());
  return n_broken == 0 ? 0 : 1;
}

Json quantiles(const std::vector<int64_t>& times_us) {
  return Json::Object{{"p50", at_quantile(times_us, 0.5)}, {"p99", at_quantile(times_us, 0.99)}, {"n", static_cast<int64_t>(times_us.size())}};
}

// People who ask, read the answer, think for a while (exponentially distributed) and ask again. The first two seconds warm up.
int run_visitors(const LoadOptions& options) {
  constexpr int64_t kWarmUpUs = 2'000'000, kSliceUs = 2000;
  Rng rng(1);
  std::vector<int64_t> firsts_us, gaps_us, totals_us, next_us;
  std::vector<std::unique_ptr<Client>> clients;
  const auto pause_us = [&] { return static_cast<int64_t>(-std::log(1 - rng.uniform()) * static_cast<double>(options.pause_ms) * 1000); };
  const int64_t begin_us = system_clock().now_us(), end_us = begin_us + kWarmUpUs + options.seconds * 1'000'000;
  for (int64_t i = 0; i < options.n_streams; ++i) {
    clients.push_back(std::make_unique<Client>());
    next_us.push_back(begin_us + pause_us());
  }
  int64_t n_broken = 0;
  uint64_t seed = 1;
  for (int64_t now_us = begin_us; now_us < end_us; now_us = system_clock().now_us()) {
    int64_t until_us = std::min(end_us, now_us + kSliceUs);
    for (size_t i = 0; i < clients.size(); ++i) {
      Client& client = *clients[i];
      if (client.over || client.broken) {
        ::close(client.fd);
        n_broken += client.broken ? 1 : 0;
        if (!client.broken && client.start_us >= begin_us + kWarmUpUs) {
          firsts_us.push_back(client.first_us);
          totals_us.push_back(client.last_us - client.start_us);
          gaps_us.insert(gaps_us.end(), client.gaps_us.begin(), client.gaps_us.end());
        }
        client = Client();
        next_us[i] = now_us + pause_us();
      }
      if (client.fd < 0 && now_us >= next_us[i]) {
        client.unsent = request_text(options, ++seed, options.n_tokens);
        client.fd = connect_to(options.port);
        client.start_us = system_clock().now_us();
        client.broken = client.fd < 0;
      }
      if (client.fd < 0) until_us = std::min(until_us, std::max(next_us[i], now_us));
    }
    run(&clients, until_us);
    if (const int64_t left_us = until_us - system_clock().now_us(); left_us > 0) ::poll(nullptr, 0, static_cast<int>(left_us / 1000) + 1);  // nobody is connected
  }
  const Json out = Json::Object{{"name", fmt::format("http/visitors={}/pause_ms={}/prompt={}/tokens={}", options.n_streams, options.pause_ms, options.n_prompt, options.n_tokens)},
                                {"first_token_ms", quantiles(firsts_us)}, {"gap_ms", quantiles(gaps_us)}, {"answer_ms", quantiles(totals_us)}, {"broken", n_broken}};
  fmt::print("{}\n", out.dump());
  return n_broken == 0 ? 0 : 1;
}

int64_t resident_kib(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.substr(0, 6) == "VmRSS:") return std::atoll(line.c_str() + 6);
  }
  return 0;
}

// How long one small request takes, on a connection of its own that stays.
std::vector<int64_t> probe_health(int64_t port, int64_t until_us) {
  std::vector<int64_t> times_us;
  const int fd = connect_to(port);
  if (fd < 0) return times_us;
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  const std::string request = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
  char bytes[4096];
  while (system_clock().now_us() < until_us) {
    const int64_t start_us = system_clock().now_us();
    if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0 || ::recv(fd, bytes, sizeof bytes, 0) <= 0) break;
    times_us.push_back(system_clock().now_us() - start_us);
    ::poll(nullptr, 0, 5);  // a while
  }
  ::close(fd);
  return times_us;
}

int run_idle(const LoadOptions& options) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const int64_t before_kib = resident_kib(options.pid);
  std::vector<std::unique_ptr<Client>> clients;
  int64_t n_connected = 0;
  for (int64_t i = 0; i < options.n_streams; ++i) {
    auto client = std::make_unique<Client>();
    client->fd = connect_to(options.port);
    client->unsent = request_text(options, static_cast<uint64_t>(i + 1), options.n_tokens);
    client->start_us = system_clock().now_us();
    client->broken = client->fd < 0;
    n_connected += client->fd >= 0 ? 1 : 0;
    clients.push_back(std::move(client));
    if (i % 500 == 499) run(&clients, system_clock().now_us() + 100'000);
  }
  run(&clients, system_clock().now_us() + 3'000'000);
  const std::vector<int64_t> times_us = probe_health(options.port, system_clock().now_us() + options.seconds * 1'000'000);
  run(&clients, system_clock().now_us() + 100'000);
  int64_t n_open = 0;
  for (const std::unique_ptr<Client>& client : clients) n_open += !client->broken && !client->over && client->fd >= 0 ? 1 : 0;
  const int64_t after_kib = resident_kib(options.pid);
  const Json out = Json::Object{{"name", fmt::format("http/idle={}", options.n_streams)}, {"connected", n_connected}, {"open_at_the_end", n_open},
                                {"health_ms", Json::Object{{"p50", at_quantile(times_us, 0.5)}, {"p99", at_quantile(times_us, 0.99)}, {"n", static_cast<int64_t>(times_us.size())}}},
                                {"server_mib_before", static_cast<double>(before_kib) / 1024}, {"server_mib_more", static_cast<double>(after_kib - before_kib) / 1024}};
  fmt::print("{}\n", out.dump());
  return n_connected == options.n_streams ? 0 : 1;
}

int usage() {
  std::fputs("firesteel_load streams|visitors|idle --port N --key-file FILE [--streams N] [--prompt N] [--tokens N] [--rounds N] [--vocab N] [--ban ID]...\n"
             "               [--seconds N] [--pause-ms N] [--pid N] [--slo-first-ms N] [--slo-gap-ms N]\n", stderr);
  return 2;
}

int main_with(int argc, char** argv) {
  LoadOptions options;
  if (argc < 2) return usage();
  options.mode = argv[1];
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i], text = argv[i + 1];
    if (name == "--key-file") {
      std::ifstream file{std::string(text)};
      std::getline(file, options.key);
      continue;
    }
    if (name == "--pid") {
      options.pid = text;
      continue;
    }
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) return usage();
    if (name == "--ban") options.banned.push_back(value);
    else if (name == "--port") options.port = value;
    else if (name == "--streams") options.n_streams = value;
    else if (name == "--prompt") options.n_prompt = value;
    else if (name == "--tokens") options.n_tokens = value;
    else if (name == "--rounds") options.n_rounds = value;
    else if (name == "--vocab") options.n_vocab = value;
    else if (name == "--seconds") options.seconds = value;
    else if (name == "--pause-ms") options.pause_ms = value;
    else if (name == "--slo-first-ms") options.slo_first_ms = value;
    else if (name == "--slo-gap-ms") options.slo_gap_ms = value;
    else return usage();
  }
  if (options.mode == "streams") return run_streams(options);
  if (options.mode == "visitors") return run_visitors(options);
  if (options.mode == "idle") return run_idle(options);
  return usage();
}

}  // namespace
}  // namespace firesteel

int main(int argc, char** argv) { return firesteel::main_with(argc, argv); }
