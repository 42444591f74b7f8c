#pragma once

#include "common/async/http2_guard.h"

// What connections.h does for connections that are not encrypted: gRPC decrypts by OpenSSL's
// SSL_read, so this library defines that once more, around the one there is. Where it reads for a
// server that has agreed on HTTP/2, a guard sees what came; what breaks its limits reads as data
// that can't be decrypted. For all else it costs one look at a flag.
namespace tiffin::decrypted {

// From now on, all in this process, each connection by itself. Of several the last one holds.
void Guard(const Http2Guard::Limits& limits);

}  // namespace tiffin::decrypted
