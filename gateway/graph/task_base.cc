#include "gateway/graph/task_base.h"

#include <exception>
#include <string_view>

#include "common/strings.h"

namespace tiffin::gateway {

absl::Status TaskPromise::CurrentExceptionStatus() noexcept {
  constexpr std::string_view kThrew = "the API's code threw an exception";
  try {
    throw;
  } catch (const std::exception& exception) {
    return absl::InternalError(StrCat(kThrew, ": ", exception.what()));
  } catch (...) {
    return absl::InternalError(ToAbsl(kThrew));
  }
}

}  // namespace tiffin::gateway
