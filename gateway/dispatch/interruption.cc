#include "gateway/dispatch/interruption.h"

#include <array>
#include <string>

#include "absl/strings/cord.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr char kPayload[] = "tiffin/interruption";
constexpr std::array kAll = {Interruption::kNeverRan, Interruption::kBystander,
                             Interruption::kMayHaveRun, Interruption::kSuspect};

absl::Cord Encode(Interruption how) {
  return absl::Cord(std::string(1, static_cast<char>('0' + static_cast<int>(how))));
}

}  // namespace

absl::Status Interrupted(Interruption how, std::string_view message) {
  absl::Status status = absl::UnavailableError(ToAbsl(message));
  status.SetPayload(kPayload, Encode(how));
  return status;
}

Interruption InterruptionOf(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return Interruption::kNone;
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return Interruption::kNone;
  for (const Interruption how : kAll) {
    if (*payload == Encode(how)) return how;
  }
  return Interruption::kNone;
}

}  // namespace tiffin::gateway
