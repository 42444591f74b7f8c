#include "worker/torch/backend.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/torch/tensor_model.h"
#include "worker/torch/text_classifier.h"
#include "worker/torch/text_options.h"

namespace tiffin::worker {
namespace {

absl::StatusOr<std::filesystem::path> ModelFile(const BackendConfig& config) {
  std::vector<std::string> found;
  for (const std::string& file : config.files) {
    if (file.ends_with(".pt") || file.ends_with(".pth") || file.ends_with(".ts")) {
      found.push_back(file);
    }
  }
  if (found.size() == 1) return config.model_dir / found[0];
  return absl::InvalidArgumentError(StrCat(
      "a Torch model has one *.pt, *.pth or *.ts file, and '", config.model_dir.string(), "' has ",
      found.size(),
      "; save it with torch.jit.script(model).save('model.pt'), then run 'tiffin models import'"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateTorchBackend(const BackendConfig& config) {
  ASSIGN_OR_RETURN(const std::filesystem::path file, ModelFile(config));
  return HasTokenizer(config) ? CreateTextClassifier(config, file)
                              : CreateTensorModel(config, file);
}

}  // namespace tiffin::worker
