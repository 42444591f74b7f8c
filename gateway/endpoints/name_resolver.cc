#include "gateway/endpoints/name_resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <list>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/strings.h"
#include "common/unique_fd.h"

namespace tiffin::gateway {
namespace {

constexpr int kTimeoutMs = 2000;  // Of one try.
constexpr int kTries = 2;

// One question, with a channel of its own: so that changes of /etc/resolv.conf are seen.
class Query {
 public:
  Query(std::string name, std::string server, NameResolver::Done done)
      : name_(std::move(name)), server_(std::move(server)), done_(std::move(done)) {}
  ~Query() {
    if (channel_ != nullptr) ares_destroy(channel_);  // Cancels: OnAnswer tells nobody any more.
  }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  void Start() {
    ares_options options{};
    options.timeout = kTimeoutMs;
    options.tries = kTries;
    int status = ares_init_options(&channel_, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (status != ARES_SUCCESS) {
      channel_ = nullptr;
    } else if (!server_.empty()) {
      status = ares_set_servers_ports_csv(channel_, server_.c_str());
    }
    if (status != ARES_SUCCESS) {
      End(absl::InternalError(StrCat("c-ares: ", ares_strerror(status))));
      return;
    }
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_flags = ARES_AI_NOSORT;
    ares_getaddrinfo(channel_, name_.c_str(), nullptr, &hints, &Query::OnAnswer, this);
  }

  bool ended() const { return done_ == nullptr; }

  // Adds what is to be waited for.
  void Await(std::vector<pollfd>& descriptors, int& timeout_ms) const {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const int wanted = ares_getsock(channel_, sockets.data(), ARES_GETSOCK_MAXNUM);
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      int16_t events = 0;
      if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
      if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
      if (events != 0) {
        descriptors.push_back(
            {.fd = sockets[static_cast<size_t>(i)], .events = events, .revents = 0});
      }
    }
    timeval longest{.tv_sec = kTimeoutMs / 1000, .tv_usec = 0};
    timeval next{};
    const timeval* wait = ares_timeout(channel_, &longest, &next);
    timeout_ms =
        std::min(timeout_ms, static_cast<int>(wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1));
  }

  void Process(const std::vector<pollfd>& ready) {
    // Also where there is nothing: times may be up.
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    for (const pollfd& one : ready) {
      if (one.revents == 0 || ended() || !IsMine(one.fd)) continue;
      ares_process_fd(channel_, (one.revents & ~POLLOUT) != 0 ? one.fd : ARES_SOCKET_BAD,
                      (one.revents & POLLOUT) != 0 ? one.fd : ARES_SOCKET_BAD);
    }
  }

 private:
  bool IsMine(int descriptor) const {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const int wanted = ares_getsock(channel_, sockets.data(), ARES_GETSOCK_MAXNUM);
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      if ((ARES_GETSOCK_READABLE(wanted, i) || ARES_GETSOCK_WRITABLE(wanted, i)) &&
          sockets[static_cast<size_t>(i)] == descriptor) {
        return true;
      }
    }
    return false;
  }

  static void OnAnswer(void* self, int status, int /*timeouts*/, ares_addrinfo* found) {
    if (status == ARES_EDESTRUCTION || status == ARES_ECANCELLED) return;
    auto& query = *static_cast<Query*>(self);
    if (status != ARES_SUCCESS) {
      query.End(absl::UnavailableError(
          StrCat("no addresses of '", query.name_, "': ", ares_strerror(status))));
      return;
    }
    std::vector<std::string> v4;
    std::vector<std::string> v6;
    for (const ares_addrinfo_node* node = found->nodes; node != nullptr; node = node->ai_next) {
      std::array<char, INET6_ADDRSTRLEN> text{};
      if (node->ai_family == AF_INET) {
        const auto* address = reinterpret_cast<const sockaddr_in*>(node->ai_addr);
        v4.emplace_back(inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()));
      } else if (node->ai_family == AF_INET6) {
        const auto* address = reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
        v6.emplace_back(inet_ntop(AF_INET6, &address->sin6_addr, text.data(), text.size()));
      }
    }
    ares_freeaddrinfo(found);
    // Those of one worker in both families would be two replicas.
    std::vector<std::string>& all = v4.empty() ? v6 : v4;
    if (all.empty()) {
      query.End(absl::UnavailableError(StrCat("no addresses of '", query.name_, "'")));
      return;
    }
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    query.End(std::move(all));
  }

  void End(absl::StatusOr<std::vector<std::string>> found) {
    NameResolver::Done done = std::exchange(done_, nullptr);
    if (done != nullptr) std::move(done)(std::move(found));
  }

  const std::string name_;
  const std::string server_;
  NameResolver::Done done_;  // Null once it has been told.
  ares_channel channel_ = nullptr;
};

class CaresResolver : public NameResolver {
 public:
  CaresResolver() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    ares_library_init(ARES_LIB_INIT_ALL);  // Counts; gRPC uses it, too.
    thread_ = std::thread([this] { Run(); });
  }
  ~CaresResolver() override {
    {
      const absl::MutexLock lock(&mutex_);
      ended_ = true;
    }
    eventfd_write(wake_.get(), 1);
    thread_.join();
    ares_library_cleanup();
  }

  void Resolve(const std::string& name, const std::string& server, Done done) override {
    {
      const absl::MutexLock lock(&mutex_);
      asked_.emplace_back(name, server, std::move(done));
    }
    eventfd_write(wake_.get(), 1);
  }

 private:
  void Run() {
    std::list<Query> queries;
    while (true) {
      std::list<Query> asked;
      {
        const absl::MutexLock lock(&mutex_);
        if (ended_) return;
        asked.swap(asked_);
      }
      for (Query& query : asked) query.Start();
      queries.splice(queries.end(), asked);
      queries.remove_if([](const Query& query) { return query.ended(); });
      std::vector<pollfd> descriptors = {{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
      int timeout_ms = queries.empty() ? -1 : kTimeoutMs;
      for (const Query& query : queries) query.Await(descriptors, timeout_ms);
      poll(descriptors.data(), descriptors.size(), timeout_ms);
      eventfd_t count = 0;
      eventfd_read(wake_.get(), &count);
      descriptors.erase(descriptors.begin());
      for (Query& query : queries) query.Process(descriptors);
    }
  }

  const UniqueFd wake_;
  absl::Mutex mutex_;
  std::list<Query> asked_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace

std::unique_ptr<NameResolver> MakeNameResolver() { return std::make_unique<CaresResolver>(); }

}  // namespace tiffin::gateway
