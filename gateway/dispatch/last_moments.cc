#include "gateway/dispatch/last_moments.h"

#include <algorithm>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::gateway {

absl::Status LastMoments::TakePage(shm::ForeignSegment segment) {
  if (page_segment_.has_value()) {
    return absl::InternalError("the worker announced a second page of executing calls");
  }
  page_segment_.emplace(std::move(segment));
  ASSIGN_OR_RETURN(const auto bytes, page_segment_->Map());
  ASSIGN_OR_RETURN(auto page, session::ExecutingPageView::Create(bytes));
  page_.emplace(page);
  return absl::OkStatus();
}

void LastMoments::OnState() {
  if (oom_kills_ == nullptr) return;
  counted_before_ = std::max(counted_before_, oom_kills_->before());
}

std::string LastMoments::OwnDoing() const {
  const uint32_t fault = page_.has_value() ? page_->fault() : 0;
  if (fault == session::ExecutingPage::kExited) return "exit()";
  if (fault != 0) return StrCat("signal ", fault);
  return oom_kills_ != nullptr && oom_kills_->now() > counted_before_ ? "lack of memory" : "";
}

Interruption LastMoments::HowFar(const session::ExecutingCall& call,
                                 const Circumstances& of) const {
  if (!page_.has_value()) return Interruption::kMayHaveRun;
  if (!page_->Lists(call)) {
    return of.answers_known ? Interruption::kNeverRan : Interruption::kMayHaveRun;
  }
  if (!of.own_doing) return Interruption::kMayHaveRun;
  // Also one that another loop sent.
  return !page_->ListsTrial() || of.on_trial ? Interruption::kSuspect : Interruption::kBystander;
}

}  // namespace tiffin::gateway
