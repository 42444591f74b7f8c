#include "common/model/store.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <optional>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/environment.h"
#include "common/model/digest.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::model {
namespace {

namespace fs = std::filesystem;

// A hidden name, so never a model's.
constexpr std::string_view kStagingFolder = ".staging";
constexpr mode_t kFolderMode = 0755;
constexpr size_t kMaxFileName = 255;

absl::Status SystemError(const fs::path& path, std::string_view what, const std::error_code& code) {
  return absl::ErrnoToStatus(code.value(), ToAbsl(StrCat(path.string(), ": ", what)));
}

absl::Status ErrnoError(const fs::path& path, std::string_view what) {
  return absl::ErrnoToStatus(errno, ToAbsl(StrCat(path.string(), ": ", what)));
}

absl::Status CreateFolders(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) return SystemError(path, "can't be created; choose a store that can be written", code);
  return absl::OkStatus();
}

bool IsName(std::string_view name) {
  if (name.empty() || name[0] < 'a' || name[0] > 'z') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// "3", but neither "03" nor "+3", so that each version has one name.
std::optional<int64_t> ParseVersion(const std::string& text) {
  int64_t version = 0;
  if (text.empty() || text[0] < '1' || text[0] > '9' || !absl::SimpleAtoi(text, &version)) {
    return std::nullopt;
  }
  return version;
}

// The names in a folder; none if there is no such folder.
absl::StatusOr<std::vector<std::string>> NamesIn(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code code;
  fs::directory_iterator entry(folder, code);
  for (; !code && entry != fs::directory_iterator(); entry.increment(code)) {
    names.push_back(entry->path().filename().string());
  }
  if (code && code != std::errc::no_such_file_or_directory && code != std::errc::not_a_directory) {
    return SystemError(folder, "can't be read", code);
  }
  return names;
}

// The versions in a model's folder, ascending.
absl::StatusOr<std::vector<int64_t>> VersionsIn(const fs::path& folder) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(folder));
  std::vector<int64_t> versions;
  for (const std::string& name : names) {
    std::error_code code;
    const std::optional<int64_t> version = ParseVersion(name);
    if (version.has_value() && fs::exists(folder / name / kModelFile, code)) {
      versions.push_back(*version);
    }
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

// One above every version that there is, or whose place is taken by anything else.
absl::StatusOr<int64_t> NextVersion(const fs::path& folder) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(folder));
  int64_t highest = 0;
  for (const std::string& name : names) highest = std::max(highest, ParseVersion(name).value_or(0));
  if (highest == std::numeric_limits<int64_t>::max()) {
    return absl::OutOfRangeError(
        StrCat(folder.string(), ": no version number is left; remove the highest"));
  }
  return highest + 1;
}

// Makes a folder in `staging` under a name that is free. Needs the lock of `staging`.
absl::StatusOr<fs::path> MakeFolder(const fs::path& staging) {
  for (int64_t number = 1;; ++number) {
    fs::path path = staging / std::to_string(number);
    if (::mkdir(path.c_str(), kFolderMode) == 0) return path;
    if (errno != EEXIST) return ErrnoError(path, "can't be made; choose a store to write to");
  }
}

// Removes the folders in `staging` whose lock is free: their process is gone. Best effort. Needs
// the lock of `staging`, or a folder just made and not locked yet would be taken for a leftover.
void Sweep(const fs::path& staging) {
  const absl::StatusOr<std::vector<std::string>> names = NamesIn(staging);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    const absl::StatusOr<File> folder = File::Open(staging / name, O_RDONLY | O_DIRECTORY);
    if (folder.ok() && ::flock(folder->fd(), LOCK_EX | LOCK_NB) == 0) {
      std::error_code ignored;
      fs::remove_all(staging / name, ignored);
    }
  }
}

// `have` is what there is instead; empty if nothing is.
absl::Status NoSuchModel(std::string_view reference, const Store& store, std::string_view have) {
  const std::string what =
      StrCat("no model '", reference, "' in the store ", store.root().string());
  if (have.empty()) {
    return absl::NotFoundError(StrCat(what,
                                      ", which is empty; give the right one by --store DIR or ",
                                      "TIFFIN_STORE, or run 'tiffin models import'"));
  }
  return absl::NotFoundError(StrCat(what, " (have ", have, "); run 'tiffin models list'"));
}

// A link in the store must not lead out of it.
absl::Status CheckInside(const fs::path& dir, const fs::path& root) {
  std::error_code code;
  const fs::path real = fs::canonical(dir, code);
  if (code) return SystemError(dir, "can't be read", code);
  const fs::path real_root = fs::canonical(root, code);
  if (code) return SystemError(root, "can't be read", code);
  const auto [rest, ignored] =
      std::mismatch(real_root.begin(), real_root.end(), real.begin(), real.end());
  if (rest == real_root.end()) return absl::OkStatus();
  return absl::FailedPreconditionError(StrCat(dir.string(), ": leads out of the store, to ",
                                              real.string(), "; put the folder itself there"));
}

}  // namespace

absl::Status CheckName(std::string_view what, std::string_view name) {
  if (IsName(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat("the ", what, " name '", name,
             "' must begin with a letter a-z, and go on with a-z, 0-9 and _; choose another"));
}

absl::Status CheckFileName(std::string_view name) {
  if (name == kModelFile) {
    return absl::InvalidArgumentError(StrCat(
        "the file name '", name, "' is taken by the model's description; give the file another"));
  }
  const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != 0x7f && c != '/';
  });
  if (name.empty() || name[0] == '.' || !is_plain || name.size() > kMaxFileName) {
    return absl::InvalidArgumentError(
        StrCat("the file name '", name,
               "' must be a plain name within the model's folder: no '/', no dot in front; give "
               "the file another"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Model> WriteModel(const fs::path& dir, Model model) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(dir));
  model.files.clear();
  for (const std::string& name : names) {
    if (name == kModelFile) continue;
    RETURN_IF_ERROR(CheckFileName(name));
    ASSIGN_OR_RETURN(model.files[name], Sha256OfFile(dir / name));
  }
  if (model.files.empty()) {
    return absl::InvalidArgumentError(
        StrCat("the model '", model.name, "' has no files; give at least one"));
  }
  const std::string yaml = ModelToYaml(model);
  RETURN_IF_ERROR(WriteFileDurably(dir / kModelFile, yaml));
  model.dir = dir;
  model.digest = Sha256Hex(yaml);
  return model;
}

absl::Status VerifyFiles(const Model& model) {
  for (const auto& [name, expected] : model.files) {
    RETURN_IF_ERROR(CheckFileName(name));
    ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(model.dir / name));
    if (digest != expected) {
      return absl::DataLossError(StrCat(
          (model.dir / name).string(), ": is not the file that was imported (its SHA-256 is ",
          digest, ", model.yaml says ", expected, "); import the model again"));
    }
  }
  return absl::OkStatus();
}

StagedFolder::~StagedFolder() {
  if (path_.empty()) return;
  std::error_code ignored;  // What can't be removed now is swept later.
  fs::remove_all(path_, ignored);
}

fs::path Store::DefaultRoot() {
  if (const std::string store = environment::Get(environment::kStore); !store.empty()) {
    return store;
  }
  std::string home = environment::Get(environment::kHome);
  if (home.empty()) {
    const struct passwd* user = ::getpwuid(::getuid());
    home = user != nullptr ? user->pw_dir : "/";
  }
  return fs::path(home) / ".tiffin" / "models";
}

absl::StatusOr<Model> Store::Find(std::string_view reference) const {
  const size_t colon = reference.find(':');
  const std::string name(reference.substr(0, colon));
  const std::string wanted(colon == std::string_view::npos ? "latest"
                                                           : reference.substr(colon + 1));
  RETURN_IF_ERROR(CheckName("model", name));
  std::optional<int64_t> version = ParseVersion(wanted);
  if (wanted != "latest" && !version.has_value()) {
    return absl::InvalidArgumentError(StrCat("the version '", wanted, "' in '", reference,
                                             "' must be a positive number or 'latest', as in '",
                                             name, ":latest'"));
  }

  ASSIGN_OR_RETURN(const std::vector<int64_t> versions, VersionsIn(root_ / name));
  if (versions.empty()) {
    ASSIGN_OR_RETURN(const auto all, Versions());
    const std::string names = absl::StrJoin(
        all, ", ", [](std::string* out, const auto& entry) { out->append(entry.first); });
    return NoSuchModel(reference, *this, names);
  }
  if (!version.has_value()) version = versions.back();
  if (!std::binary_search(versions.begin(), versions.end(), *version)) {
    return NoSuchModel(
        reference, *this,
        StrCat("version", versions.size() > 1 ? "s " : " ", absl::StrJoin(versions, ", ")));
  }

  const fs::path dir = root_ / name / std::to_string(*version);
  RETURN_IF_ERROR(CheckInside(dir, root_));
  ASSIGN_OR_RETURN(Model model, LoadModel(dir));
  if (model.name != name || model.version != *version) {
    return absl::FailedPreconditionError(
        StrCat((dir / kModelFile).string(), ": describes '", model.name, ":", model.version,
               "', not '", name, ":", *version, "'; move the folder to where it belongs"));
  }
  return model;
}

absl::StatusOr<std::map<std::string, std::vector<int64_t>>> Store::Versions() const {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(root_));
  std::map<std::string, std::vector<int64_t>> all;
  for (const std::string& name : names) {
    if (!IsName(name)) continue;
    ASSIGN_OR_RETURN(std::vector<int64_t> versions, VersionsIn(root_ / name));
    if (!versions.empty()) all.emplace(name, std::move(versions));
  }
  return all;
}

absl::StatusOr<std::vector<Model>> Store::List() const {
  ASSIGN_OR_RETURN(const auto all, Versions());
  std::vector<Model> models;
  for (const auto& [name, versions] : all) {
    for (const int64_t version : versions) {
      ASSIGN_OR_RETURN(Model model, Find(StrCat(name, ":", version)));
      models.push_back(std::move(model));
    }
  }
  return models;
}

absl::StatusOr<StagedFolder> Store::Stage() const {
  const fs::path staging = root_ / kStagingFolder;
  RETURN_IF_ERROR(CreateFolders(staging));
  ASSIGN_OR_RETURN(const File guard, File::Open(staging, O_RDONLY | O_DIRECTORY));
  if (::flock(guard.fd(), LOCK_EX) != 0) return ErrnoError(staging, "can't be locked");
  Sweep(staging);

  ASSIGN_OR_RETURN(fs::path path, MakeFolder(staging));
  ASSIGN_OR_RETURN(File lock, File::Open(path, O_RDONLY | O_DIRECTORY));
  if (::flock(lock.fd(), LOCK_EX | LOCK_NB) != 0) return ErrnoError(path, "can't be locked");
  return StagedFolder(std::move(path), std::move(lock));
}

absl::StatusOr<Model> Store::Publish(StagedFolder staged, Model model) const {
  RETURN_IF_ERROR(CheckName("model", model.name));
  RETURN_IF_ERROR(CheckName("backend", model.backend));
  const fs::path home = root_ / model.name;
  RETURN_IF_ERROR(CreateFolders(home));
  model.created = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::Now(), absl::UTCTimeZone());

  while (true) {
    ASSIGN_OR_RETURN(model.version, NextVersion(home));
    ASSIGN_OR_RETURN(model, WriteModel(staged.path(), std::move(model)));
    for (const auto& file : model.files) RETURN_IF_ERROR(SyncPath(staged.path() / file.first));
    RETURN_IF_ERROR(staged.lock_.Sync());

    // Onto a folder with anything in it a rename fails: so two publishers never share a version.
    const fs::path dir = home / std::to_string(model.version);
    if (::rename(staged.path().c_str(), dir.c_str()) == 0) {
      model.dir = dir;
      break;
    }
    if (errno != EEXIST && errno != ENOTEMPTY) return ErrnoError(dir, "can't be published");
  }
  staged.path_.clear();
  RETURN_IF_ERROR(SyncPath(home));
  RETURN_IF_ERROR(SyncPath(root_));
  return model;
}

}  // namespace tiffin::model
