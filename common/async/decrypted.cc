#include "common/async/decrypted.h"

#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <atomic>
#include <cstddef>
#include <span>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/clock.h"

namespace tiffin::decrypted {
namespace {

struct Connection {
  explicit Connection(const Http2Guard::Limits& limits) : guard(limits, Clock::Monotonic().Now()) {}

  Http2Guard guard;
  bool broken = false;
};

absl::Mutex mutex;
Http2Guard::Limits limits ABSL_GUARDED_BY(mutex);
// Where OpenSSL keeps a connection's guard, and ends it with the connection. Negative: nobody wants
// one.
std::atomic<int> place = -1;

void Free(void* /*parent*/, void* connection, CRYPTO_EX_DATA* /*data*/, int /*index*/,
          long /*argument*/, void* /*pointer*/) {
  delete static_cast<Connection*>(connection);
}

bool IsOfHttp2Server(SSL* ssl) {
  if (SSL_is_server(ssl) == 0) return false;
  const unsigned char* protocol = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &size);
  const std::string_view name(reinterpret_cast<const char*>(protocol), size);
  return name == "h2" || name == "grpc-exp";
}

// OpenSSL's connections are read by one thread at a time.
bool Passes(SSL* ssl, const void* bytes, int size) {
  const int index = place;
  if (index < 0 || !IsOfHttp2Server(ssl)) return true;
  auto* connection = static_cast<Connection*>(SSL_get_ex_data(ssl, index));
  if (connection == nullptr) {
    const absl::MutexLock lock(&mutex);
    connection = new Connection(limits);
    SSL_set_ex_data(ssl, index, connection);
  }
  if (connection->broken) return false;
  const std::span<const std::byte> came(static_cast<const std::byte*>(bytes),
                                        static_cast<size_t>(size));
  connection->broken = !connection->guard.Take(came, Clock::Monotonic().Now());
  return !connection->broken;
}

}  // namespace

void Guard(const Http2Guard::Limits& wanted) {
  const absl::MutexLock lock(&mutex);
  limits = wanted;
  if (place < 0) place = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, Free);
}

}  // namespace tiffin::decrypted

extern "C" int SSL_read(SSL* ssl, void* buffer, int size) {
  static auto* const next =
      reinterpret_cast<int (*)(SSL*, void*, int)>(dlsym(RTLD_NEXT, "SSL_read"));
  const int received = next(ssl, buffer, size);
  if (received <= 0 || tiffin::decrypted::Passes(ssl, buffer, received)) return received;
  ERR_raise(ERR_LIB_USER, ERR_R_OPERATION_FAIL);  // What makes SSL_get_error say that it is over.
  return -1;
}
