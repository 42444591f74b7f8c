#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "common/async/http2_guard.h"

// The connections that this process has given to gRPC, which tells nobody when one ends, and has no
// place where what it reads could be looked at first. So this library defines the C library's
// close() and recvmsg() once more, around the ones there are: of descriptors that are known here
// the first ends the count, and the second shows a guard what came. A connection that breaks its
// limits reads as one that its client has reset. Of all other descriptors they cost one look into a
// table.
namespace tiffin::connections {

// How many are open. Shared by them and by who counts, whichever is there longer.
using Count = std::shared_ptr<std::atomic<int>>;

// `fd` is a connection of `count` until it is closed, guarded where there are limits. False: its
// number is too high for the table.
[[nodiscard]] bool Watch(int fd, Count count, const std::optional<Http2Guard::Limits>& limits);

// Beyond this descriptors can't be watched.
inline constexpr int kMaxDescriptors = 1 << 16;

}  // namespace tiffin::connections
