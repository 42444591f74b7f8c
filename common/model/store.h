#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/model/file.h"
#include "common/signature.h"
#include "nlohmann/json.hpp"

namespace tiffin::model {

// A model of the store: the contents of its model.yaml, and where it lies.
struct Model {
  std::string name;
  int64_t version = 0;
  std::string backend;
  std::string created;  // RFC 3339, UTC.
  // File name within the folder -> its SHA-256 in hex.
  std::map<std::string, std::string> files;
  Signature methods;
  nlohmann::json options = nlohmann::json::object();
  std::vector<std::string> labels;
  nlohmann::json metadata = nlohmann::json::object();
  // Method -> input name -> one row as (nested) lists of numbers, or text for the BYTES kinds.
  nlohmann::json example = nlohmann::json::object();

  std::filesystem::path dir;
  std::string digest;  // SHA-256 of model.yaml, in hex.
};

// The description of a model within its folder.
inline constexpr std::string_view kModelFile = "model.yaml";

// model.yaml, written and read. Reading checks every key and names what is wrong.
std::string ModelToYaml(const Model& model);
absl::StatusOr<Model> LoadModel(const std::filesystem::path& dir);
// Lists the files in `dir`, writes model.yaml beside them and gives back the model with files, dir
// and digest set. An error if there is no file, or anything but plain files with safe names.
absl::StatusOr<Model> WriteModel(const std::filesystem::path& dir, Model model);
// Reads every file of the model again and compares its digest with model.yaml's.
absl::Status VerifyFiles(const Model& model);

// Names of models and backends match [a-z][a-z0-9_]*. `what` is the word for it in the message.
absl::Status CheckName(std::string_view what, std::string_view name);
// A file's name within a model's folder: no path, not hidden, not model.yaml itself.
absl::Status CheckFileName(std::string_view name);

// A folder of its own for a model that is being made, on the store's file system, so that a rename
// can publish it. Its lock tells it from the leftovers of a process that died. Move-only;
// destruction removes the folder unless it was published.
class StagedFolder {
 public:
  StagedFolder(StagedFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), lock_(std::move(other.lock_)) {}
  StagedFolder& operator=(StagedFolder&&) = delete;
  ~StagedFolder();

  const std::filesystem::path& path() const { return path_; }

 private:
  friend class Store;
  StagedFolder(std::filesystem::path path, File lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;  // Empty once published.
  File lock_;
};

// `<root>/<name>/<version>/model.yaml` + files. Reading takes no lock: versions appear by one
// rename and are never changed. Several processes may publish at the same time.
class Store {
 public:
  // The folder need not exist: then the store is empty.
  explicit Store(std::filesystem::path root) : root_(std::move(root)) {}
  // $TIFFIN_STORE, else ~/.tiffin/models.
  static std::filesystem::path DefaultRoot();

  const std::filesystem::path& root() const { return root_; }
  // `reference` is "name:3", "name:latest" or "name". NOT_FOUND names what there is instead.
  absl::StatusOr<Model> Find(std::string_view reference) const;
  // Name -> its versions, ascending; names without versions are left out. Reads no model.yaml.
  absl::StatusOr<std::map<std::string, std::vector<int64_t>>> Versions() const;
  // All versions of all models, by name and version.
  absl::StatusOr<std::vector<Model>> List() const;

  // A folder inside the store that nobody else uses. The caller fills it with the model's files.
  // Removes what dead processes have left there.
  absl::StatusOr<StagedFolder> Stage() const;
  // Writes model.yaml into the staged folder and publishes it as the next version of model.name.
  // Sets version, created, files, dir and digest.
  absl::StatusOr<Model> Publish(StagedFolder staged, Model model) const;

 private:
  std::filesystem::path root_;
};

}  // namespace tiffin::model
