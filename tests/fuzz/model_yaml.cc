// A model.yaml. What is accepted is the same model when it is written and read again; what is
// refused names the file and says why.
#include <filesystem>
#include <fstream>
#include <string>

#include "common/model/store.h"
#include "tests/fuzz/fuzz.h"

namespace tiffin::model {
namespace {

using fuzz::Require;

// A folder of the process's own, in memory, removed at its end.
class Folder {
 public:
  Folder() {
    std::string path = "/dev/shm/tiffin-fuzz-XXXXXX";
    Require(mkdtemp(path.data()) != nullptr, "there is a folder in memory");
    path_ = path;
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  // With a model.yaml of this content.
  const std::filesystem::path& With(std::string_view content) {
    std::ofstream stream(path_ / kModelFile, std::ios::binary | std::ios::trunc);
    stream.write(content.data(), static_cast<std::streamsize>(content.size()));
    return path_;
  }

 private:
  std::filesystem::path path_;
};

void Check(std::string_view text) {
  static Folder folder;
  const absl::StatusOr<Model> model = LoadModel(folder.With(text));
  if (!model.ok()) {
    Require(Message(model.status()).find(kModelFile) != std::string_view::npos,
            "an error names the file");
    Require(absl::IsInvalidArgument(model.status()), "a bad file is INVALID_ARGUMENT");
    return;
  }
  Require(!model->name.empty() && model->version > 0 && !model->backend.empty(),
          "a model has a name, a version and a backend");
  const std::string written = ModelToYaml(*model);
  const absl::StatusOr<Model> again = LoadModel(folder.With(written));
  Require(again.ok(), "a model can be written and read again");
  Require(again->name == model->name && again->version == model->version &&
              again->backend == model->backend && again->created == model->created &&
              again->files == model->files && again->labels == model->labels,
          "its texts come back as they were");
  Require(again->methods == model->methods, "its methods come back as they were");
  Require(again->options == model->options && again->metadata == model->metadata &&
              again->example == model->example,
          "its values come back as they were");
  Require(ModelToYaml(*again) == written, "it is written the same again");
}

}  // namespace
}  // namespace tiffin::model

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tiffin::model::Check(tiffin::fuzz::Input(data, size).Rest());
  return 0;
}
