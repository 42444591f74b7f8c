#include "gateway/api/status.h"

#include <optional>

#include "common/strings.h"
#include "gateway/api/text.h"

namespace tiffin::gateway {

absl::Status Bounded(const absl::Status& status) {
  return absl::Status(status.code(), BoundedUtf8(Message(status), kMaxStatusMessage));
}

void FinishWith(Rpc& rpc, const absl::Status& status) { rpc.Finish(Bounded(status), std::nullopt); }

absl::Status Annotate(const absl::Status& status, std::string_view context) {
  return absl::Status(status.code(), StrCat(context, ": ", Message(status)));
}

}  // namespace tiffin::gateway
