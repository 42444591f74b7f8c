#include "worker/torch/text_classifier.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "worker/torch/length_groups.h"
#include "worker/torch/text_options.h"
#include "worker/torch/token_model.h"
#include "worker/torch/tokenizer/unicode.h"

namespace tiffin::worker {
namespace {

// Far beyond any text of `max_length` tokens; the tokenizer takes less than 2 GiB.
constexpr size_t kLongestText = size_t{1} << 30;

// The tokens of texts.
using Rows = std::vector<std::vector<int64_t>>;

MethodSignature ClassifierSignature(size_t labels) {
  MethodSignature run;
  run.inputs = {{"text", SingleType(ValueKind::kText)}};
  run.outputs = {{"label", SingleType(ValueKind::kText)},
                 {"score", TensorType(DataType::kFp32, {})},
                 {"scores", TensorType(DataType::kFp32, {static_cast<int64_t>(labels)})}};
  run.batchable = true;
  return run;
}

std::string ToText(const MethodSignature& method) {
  const auto list = [](const std::vector<TensorSpec>& specs) {
    std::string text;
    for (const TensorSpec& spec : specs) {
      text += StrCat(text.empty() ? "" : ", ", spec.name, ": ", ToString(spec.type));
    }
    return text;
  };
  return StrCat("(", list(method.inputs), ") -> (", list(method.outputs), ")",
                method.batchable ? "" : ", not batchable");
}

absl::Status CheckDeclared(const Signature& declared, const MethodSignature& run) {
  for (const auto& [name, method] : declared) {
    const bool same = name == kDefaultMethod && method.batchable == run.batchable &&
                      (method.inputs.empty() || method.inputs == run.inputs) &&
                      (method.outputs.empty() || method.outputs == run.outputs);
    if (same) continue;
    return absl::InvalidArgumentError(StrCat("the declared method ", name, ToText(method),
                                             " is not that of this text model: ", kDefaultMethod,
                                             ToText(run), "; leave the declaration out"));
  }
  return absl::OkStatus();
}

absl::Status CheckLabels(const std::vector<std::string>& labels, size_t classes) {
  if (labels.size() == classes) return absl::OkStatus();
  const std::string have = labels.empty() ? "no label is" : StrCat(labels.size(), " are");
  return absl::InvalidArgumentError(
      StrCat("the model tells ", classes, " classes apart, and ", have,
             " named; give what they are called, in their order, with '--labels A,B' when ",
             "importing the model"));
}

// Runs the model on what a served text could be, and gives the number of its classes. So its first
// runs are over, too.
absl::StatusOr<size_t> Try(TokenModel& model, const TextOptions& options) {
  const Tokenizer& tokenizer = options.tokenizer;
  const std::vector<int64_t> empty = tokenizer.Encode("", options.max_length);
  const absl::StatusOr<TokenModel::Logits> shortest = model.Run(Rows{empty}, tokenizer.padding());
  if (!shortest.ok()) {
    return absl::InvalidArgumentError(
        StrCat("the model fails on an empty text: ", Message(shortest.status())));
  }
  const std::vector<int64_t> last = {tokenizer.last_id(), tokenizer.padding()};
  if (const auto ran = model.Run(Rows{last}, tokenizer.padding()); !ran.ok()) {
    return absl::InvalidArgumentError(
        StrCat("the model fails on token ", tokenizer.last_id(),
               " of its tokenizer: ", Message(ran.status()),
               "; give it the tokenizer.json or vocab.txt that it was trained with"));
  }
  std::vector<int64_t> longest = empty;
  longest.resize(options.max_length, empty.back());
  const auto ran = model.Run(Rows{longest, empty, longest}, tokenizer.padding());
  if (!ran.ok() || ran->classes != shortest->classes) {
    return absl::InvalidArgumentError(
        StrCat("the model fails on texts of ", options.max_length,
               " tokens: ", ran.ok() ? "the number of classes varies" : Message(ran.status()),
               "; if that is beyond its limit, give it with '--option max_length=N' when ",
               "importing the model"));
  }
  return shortest->classes;
}

// Turns logits into what they say of the classes' probability; false if they say nothing.
bool Softmax(std::span<float> scores) {
  const float largest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - largest);
    sum += score;
  }
  for (float& score : scores) score /= sum;
  return std::isfinite(sum);
}

class TextClassifier final : public Backend {
 public:
  TextClassifier(TokenModel model, TextOptions options, std::vector<std::string> labels)
      : model_(std::move(model)),
        options_(std::move(options)),
        labels_(std::move(labels)),
        signature_({{std::string(kDefaultMethod), ClassifierSignature(labels_.size())}}) {}

  const Signature& signature() const override { return signature_; }
  std::string device() const override { return model_.device().str(); }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    try {
      ASSIGN_OR_RETURN(Rows rows, Encode(invocation.inputs[0].bytes));
      ASSIGN_OR_RETURN(const std::vector<float> scores, Score(std::move(rows), invocation));
      return WriteOut(scores, outputs);
    } catch (const std::bad_alloc&) {
      return absl::ResourceExhaustedError("torch backend: no memory left");
    } catch (const std::exception& error) {
      return absl::InternalError(StrCat("torch backend: ", error.what()));
    }
  }

 private:
  absl::StatusOr<Rows> Encode(std::span<const std::byte> framed) {
    ASSIGN_OR_RETURN(const std::vector<std::string_view> texts, ParseBytesElements(framed));
    Rows rows;
    rows.reserve(texts.size());
    for (const std::string_view text : texts) {
      if (text.size() > kLongestText) {
        return absl::InvalidArgumentError(StrCat("input 'text', row ", rows.size(), ": ",
                                                 text.size(), " bytes are too many; the limit is ",
                                                 kLongestText));
      }
      if (const size_t valid = ValidUtf8Size(text); valid < text.size()) {
        return absl::InvalidArgumentError(
            StrCat("input 'text', row ", rows.size(), ": byte ", valid,
                   " is not UTF-8; the text must be UTF-8, and no other encoding or file"));
      }
      rows.push_back(options_.tokenizer.Encode(text, options_.max_length));
    }
    return rows;
  }

  // The scores of all rows, one row after the other. The model is run on rows of similar length at
  // a time, so that little of its work is on padding.
  absl::StatusOr<std::vector<float>> Score(Rows rows, const Invocation& invocation) {
    std::vector<size_t> lengths;
    for (const std::vector<int64_t>& row : rows) lengths.push_back(row.size());
    std::vector<float> scores(rows.size() * labels_.size());
    for (const std::vector<size_t>& group : GroupByLength(lengths)) {
      if (invocation.abandoned()) return absl::CancelledError("nobody waits for the answer");
      Rows together;
      for (const size_t row : group) together.push_back(std::move(rows[row]));
      const absl::StatusOr<TokenModel::Logits> logits =
          model_.Run(together, options_.tokenizer.padding());
      if (!logits.ok()) return Explain(logits.status());
      if (logits->classes != labels_.size()) {
        return absl::InternalError(StrCat("the model answers ", logits->classes,
                                          " classes, and there are ", labels_.size(), " labels"));
      }
      for (size_t i = 0; i < group.size(); ++i) {
        std::copy_n(&logits->values[i * labels_.size()], labels_.size(),
                    &scores[group[i] * labels_.size()]);
      }
    }
    for (size_t i = 0; i < scores.size(); i += labels_.size()) {
      if (Softmax(std::span(scores).subspan(i, labels_.size()))) continue;
      return absl::InternalError(StrCat("the model's answer to row ", i / labels_.size(),
                                        " is not a number for each label"));
    }
    return scores;
  }

  // The caller can't mend what a model does with a text.
  static absl::Status Explain(const absl::Status& failure) {
    const absl::StatusCode code =
        absl::IsResourceExhausted(failure) ? failure.code() : absl::StatusCode::kInternal;
    return absl::Status(code, StrCat("the model failed on this text: ", Message(failure)));
  }

  absl::Status WriteOut(std::span<const float> scores, Outputs& outputs) const {
    const size_t rows = scores.size() / labels_.size();
    std::string labels;
    std::vector<float> best_scores;
    for (size_t row = 0; row < rows; ++row) {
      const std::span<const float> own = scores.subspan(row * labels_.size(), labels_.size());
      const auto best = std::max_element(own.begin(), own.end());
      AppendBytesElement(labels_[static_cast<size_t>(best - own.begin())], labels);
      best_scores.push_back(*best);
    }
    const auto count = static_cast<int64_t>(rows);
    RETURN_IF_ERROR(Write(0, DataType::kBytes, {count}, AsBytes(labels), outputs));
    RETURN_IF_ERROR(
        Write(1, DataType::kFp32, {count}, std::as_bytes(std::span(best_scores)), outputs));
    return Write(2, DataType::kFp32, {count, static_cast<int64_t>(labels_.size())},
                 std::as_bytes(scores), outputs);
  }

  static absl::Status Write(size_t index, DataType dtype, const Shape& shape,
                            std::span<const std::byte> bytes, Outputs& outputs) {
    ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                     outputs.Allocate(index, dtype, shape, bytes.size()));
    if (!bytes.empty()) std::memcpy(memory.data(), bytes.data(), bytes.size());
    return absl::OkStatus();
  }

  TokenModel model_;
  TextOptions options_;
  std::vector<std::string> labels_;
  Signature signature_;
};

absl::StatusOr<std::unique_ptr<Backend>> Load(const BackendConfig& config, ScriptModule module,
                                              TextOptions options) {
  ASSIGN_OR_RETURN(TokenModel model, TokenModel::Create(std::move(module)));
  ASSIGN_OR_RETURN(const size_t classes, Try(model, options));
  if (classes == 0) return absl::InvalidArgumentError("the model tells no classes apart");
  RETURN_IF_ERROR(CheckLabels(config.labels, classes));
  RETURN_IF_ERROR(CheckDeclared(config.declared, ClassifierSignature(classes)));
  return std::make_unique<TextClassifier>(std::move(model), std::move(options), config.labels);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateTextClassifier(const BackendConfig& config,
                                                              const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(TextOptions options, ReadTextOptions(config));
  ASSIGN_OR_RETURN(ScriptModule module, ScriptModule::Load(file, config));
  absl::StatusOr<std::unique_ptr<Backend>> backend =
      Load(config, std::move(module), std::move(options));
  if (backend.ok()) return backend;
  return absl::Status(backend.status().code(),
                      StrCat("'", file.string(), "': ", Message(backend.status())));
}

}  // namespace tiffin::worker
