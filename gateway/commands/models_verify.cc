#include "gateway/commands/models_verify.h"

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "gateway/commands/command.h"
#include "gateway/commands/print.h"

namespace tiffin::gateway {
namespace {

absl::StatusOr<std::vector<std::string>> AllReferences(const model::Store& store) {
  ASSIGN_OR_RETURN(const auto versions, store.Versions());
  std::vector<std::string> references;
  for (const auto& [name, numbers] : versions) {
    for (const int64_t number : numbers) references.push_back(StrCat(name, ":", number));
  }
  if (!references.empty()) return references;
  return absl::NotFoundError(StrCat("no models in ", store.root().string(),
                                    "; is it the right folder? 'tiffin models import' adds one"));
}

absl::Status Verify(const model::Store& store, const std::string& reference) {
  ASSIGN_OR_RETURN(const model::Model model, store.Find(reference));
  RETURN_IF_ERROR(model::VerifyFiles(model));
  Print(StrCat(model.name, ":", model.version, ": as it was imported\n"));
  return absl::OkStatus();
}

}  // namespace

int VerifyModels(const model::Store& store, const std::vector<std::string>& references) {
  absl::StatusOr<std::vector<std::string>> named = references;
  if (references.empty()) named = AllReferences(store);
  int exit_code = named.ok() ? kExitDone : kExitFailed;
  if (!named.ok()) ReportError(named.status());
  for (size_t i = 0; named.ok() && i < named->size(); ++i) {
    const absl::Status verified = Verify(store, (*named)[i]);
    if (verified.ok()) continue;
    ReportError(verified);
    exit_code = kExitFailed;
  }
  return exit_code;
}

}  // namespace tiffin::gateway
