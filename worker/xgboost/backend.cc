#include "worker/xgboost/backend.h"

#include <xgboost/c_api.h>
#include <xgboost/version_config.h>

#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "common/keys/options.h"
#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"

namespace tiffin::worker {
namespace {

constexpr int kOldestMajor = 3;
static_assert(XGBOOST_VER_MAJOR >= kOldestMajor);

// `strict_shape` makes every kind of model answer [rows, scores of a row]; NaN is the value that
// stands for a missing feature.
constexpr char kPredictConfig[] =
    R"({"type": 0, "training": false, "iteration_begin": 0, "iteration_end": 0,)"
    R"( "strict_shape": true, "missing": NaN})";

// The first line of XGBoost's account of the last error in this thread: the rest is a stack.
std::string LastError() {
  const std::string_view text = XGBGetLastError();
  return std::string(Trim(text.substr(0, text.find("\nStack trace"))));
}

absl::Status CheckLibrary() {
  int major = 0;
  int minor = 0;
  int patch = 0;
  XGBoostVersion(&major, &minor, &patch);
  if (major >= kOldestMajor) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("the XGBoost library loaded is ", major, ".", minor, ".", patch,
             ", and this program, built ", "for ", XGBOOST_VER_MAJOR, ".", XGBOOST_VER_MINOR, ".",
             XGBOOST_VER_PATCH, ", needs at least ", kOldestMajor,
             ": older ones predict wrongly from newer models; run scripts/setup"));
}

// An XGBoost model. Frees it on destruction.
class Booster {
 public:
  struct Prediction {
    int64_t rows = 0;
    int64_t scores = 0;
    // XGBoost's own memory, until the next call in this thread.
    const float* values = nullptr;
  };

  static absl::StatusOr<Booster> Load(const std::filesystem::path& file, int threads) {
    BoosterHandle handle = nullptr;
    if (XGBoosterCreate(nullptr, 0, &handle) != 0) {
      return absl::InternalError(StrCat("XGBoost does not start: ", LastError()));
    }
    Booster booster(handle);
    if (XGBoosterLoadModel(handle, file.c_str()) != 0) {
      return absl::InvalidArgumentError(
          StrCat("'", file.string(), "' is not a whole XGBoost model (", LastError(),
                 "); save it again with Booster.save_model, then run 'tiffin models import'"));
    }
    if (XGBoosterSetParam(handle, "nthread", std::to_string(threads).c_str()) != 0) {
      return absl::InternalError(StrCat("XGBoost refuses ", threads, " threads: ", LastError()));
    }
    return booster;
  }

  Booster(Booster&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Booster& operator=(Booster&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Booster() {
    if (handle_ != nullptr) XGBoosterFree(handle_);
  }

  absl::StatusOr<int64_t> Features() const {
    bst_ulong features = 0;
    if (XGBoosterGetNumFeature(handle_, &features) != 0) return absl::InternalError(LastError());
    return static_cast<int64_t>(features);
  }

  // Reads `features`, row by row, where they lie.
  absl::StatusOr<Prediction> Predict(const float* features, int64_t rows, int64_t columns) const {
    // numpy's array interface: an address, read-only, of dense little-endian floats.
    const std::string array =
        StrCat(R"({"data": [)", reinterpret_cast<uintptr_t>(features), R"(, true], "shape": [)",
               rows, ", ", columns, R"(], "typestr": "<f4", "version": 3})");
    const bst_ulong* shape = nullptr;
    bst_ulong dimensions = 0;
    const float* values = nullptr;
    if (XGBoosterPredictFromDense(handle_, array.c_str(), kPredictConfig, nullptr, &shape,
                                  &dimensions, &values) != 0) {
      return absl::InternalError(StrCat("XGBoost does not predict: ", LastError()));
    }
    Prediction prediction{.rows = 0, .scores = 1, .values = values};
    if (dimensions > 0) prediction.rows = static_cast<int64_t>(shape[0]);
    for (bst_ulong i = 1; i < dimensions; ++i) {
      prediction.scores *= static_cast<int64_t>(shape[i]);
    }
    return prediction;
  }

 private:
  explicit Booster(BoosterHandle handle) : handle_(handle) {}

  BoosterHandle handle_;
};

// The one model file among the store's.
absl::StatusOr<std::filesystem::path> ModelFile(const BackendConfig& config) {
  std::vector<std::string> found;
  for (const std::string& file : config.files) {
    if (file.ends_with(".json") || file.ends_with(".ubj")) found.push_back(file);
  }
  if (found.size() == 1) return config.model_dir / found[0];
  return absl::InvalidArgumentError(
      StrCat("an XGBoost model has one *.json or *.ubj file, and '", config.model_dir.string(),
             "' has ", found.size(),
             "; save it with Booster.save_model('model.ubj'), then run 'tiffin models import'"));
}

absl::Status CheckDeclared(std::string_view which, const std::vector<TensorSpec>& declared,
                           const ValueType& actual, const std::filesystem::path& file) {
  if (declared.size() == 1 && declared[0].type == actual) return absl::OkStatus();
  std::string types;
  for (const TensorSpec& spec : declared) {
    types += StrCat(types.empty() ? "" : ", ", spec.name, ": ", ToString(spec.type));
  }
  return absl::InvalidArgumentError(StrCat("the declared ", which, "s are (", types,
                                           "), but the model '", file.string(), "' has one, ",
                                           ToString(actual), "; run 'tiffin models import' again"));
}

// What the model file says, with the names of `declared` where it has them.
absl::StatusOr<Signature> MakeSignature(const Signature& declared, int64_t features, int64_t scores,
                                        const std::filesystem::path& file) {
  const ValueType input = TensorType(DataType::kFp32, {features});
  const ValueType output = TensorType(DataType::kFp32, {scores});
  MethodSignature run;
  run.batchable = true;
  for (const auto& [name, method] : declared) {
    if (name != kDefaultMethod) {
      return absl::InvalidArgumentError(
          StrCat("XGBoost models have the method 'run' only, and '", name, "' is declared"));
    }
    run = method;
  }
  if (run.inputs.empty()) run.inputs = {{"features", input}};
  if (run.outputs.empty()) run.outputs = {{"scores", output}};
  RETURN_IF_ERROR(CheckDeclared("input", run.inputs, input, file));
  RETURN_IF_ERROR(CheckDeclared("output", run.outputs, output, file));
  return Signature{{std::string(kDefaultMethod), std::move(run)}};
}

class XgboostBackend final : public Backend {
 public:
  XgboostBackend(Booster booster, Signature signature, int64_t features, int64_t scores)
      : booster_(std::move(booster)),
        signature_(std::move(signature)),
        batchable_(signature_.at(std::string(kDefaultMethod)).batchable),
        features_(features),
        scores_(scores) {}

  const Signature& signature() const override { return signature_; }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    const int64_t rows = invocation.rows;
    const Shape shape = batchable_ ? Shape{rows, scores_} : Shape{scores_};
    const auto size = static_cast<uint64_t>(rows * scores_) * sizeof(float);
    if (rows == 0) return outputs.Allocate(0, DataType::kFp32, shape, size).status();
    ASSIGN_OR_RETURN(const Booster::Prediction prediction,
                     booster_.Predict(invocation.inputs[0].As<float>().data(), rows, features_));
    if (prediction.rows != rows || prediction.scores != scores_) {
      return absl::InternalError(StrCat("XGBoost answered ", prediction.rows, " rows of ",
                                        prediction.scores, " scores to ", rows, " rows, where ",
                                        scores_, " scores are declared"));
    }
    ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                     outputs.Allocate(0, DataType::kFp32, shape, size));
    std::memcpy(memory.data(), prediction.values, size);
    return absl::OkStatus();
  }

 private:
  Booster booster_;
  Signature signature_;
  bool batchable_;
  int64_t features_;
  int64_t scores_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateXgboostBackend(const BackendConfig& config) {
  RETURN_IF_ERROR(CheckLibrary());
  RETURN_IF_ERROR(keys::Options::Read("xgboost", /*known=*/{}, config.options).status());
  // Its own log goes nowhere: errors come back as a status.
  if (XGBSetGlobalConfig(R"({"verbosity": 0})") != 0) return absl::InternalError(LastError());
  ASSIGN_OR_RETURN(const std::filesystem::path file, ModelFile(config));
  ASSIGN_OR_RETURN(Booster booster, Booster::Load(file, config.threads));
  ASSIGN_OR_RETURN(const int64_t features, booster.Features());
  if (features <= 0) {
    return absl::InvalidArgumentError(StrCat("the XGBoost model '", file.string(),
                                             "' has no features; train it, save it, then ",
                                             "run 'tiffin models import'"));
  }
  // How many scores a row has, only a prediction tells.
  const std::vector<float> zeros(static_cast<size_t>(features), 0.0F);
  absl::StatusOr<Booster::Prediction> tried = booster.Predict(zeros.data(), 1, features);
  if (!tried.ok()) {
    return absl::InvalidArgumentError(StrCat("the XGBoost model '", file.string(),
                                             "' cannot be used: ", Message(tried.status())));
  }
  const int64_t scores = tried->scores;
  ASSIGN_OR_RETURN(Signature signature, MakeSignature(config.declared, features, scores, file));
  return std::make_unique<XgboostBackend>(std::move(booster), std::move(signature), features,
                                          scores);
}

}  // namespace tiffin::worker
