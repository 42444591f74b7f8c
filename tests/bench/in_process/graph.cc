#include "tests/bench/in_process/graph.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/str_format.h"
#include "common/aligned_buffer.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::bench {
namespace {

// Row `row` of [rows, classes].
std::span<const float> RowOf(const TensorView& scores, int64_t row) {
  const auto classes = static_cast<size_t>(scores.shape.back());
  return scores.As<float>().subspan(static_cast<size_t>(row) * classes, classes);
}

absl::Status CheckScores(const TensorView& scores, int64_t rows) {
  if (scores.dtype == DataType::kFp32 && ShapeMatches(scores.shape, Shape{rows, -1})) {
    return absl::OkStatus();
  }
  return absl::InternalError(StrCat("the scores of ", rows, " rows are ",
                                    DataTypeName(scores.dtype), ShapeToString(scores.shape)));
}

class Digits final : public Graph {
 public:
  static absl::StatusOr<std::unique_ptr<Graph>> Create(const RunnerSource& source) {
    ASSIGN_OR_RETURN(LocalRunner preprocess, LocalRunner::Load(source, "preprocess", "image"));
    ASSIGN_OR_RETURN(LocalRunner a, LocalRunner::Load(source, "model_a", "xgboost"));
    ASSIGN_OR_RETURN(LocalRunner b, LocalRunner::Load(source, "model_b", "torch"));
    return std::unique_ptr<Graph>(new Digits(std::move(preprocess), std::move(a), std::move(b)));
  }

  absl::StatusOr<std::vector<std::string>> Answer(const TensorView& rows) override {
    const int64_t count = rows.shape[0];
    ASSIGN_OR_RETURN(const std::span<const TensorView> features, preprocess_.Run(rows, count));
    ASSIGN_OR_RETURN(const std::span<const TensorView> a, a_.Run(features[0], count));
    ASSIGN_OR_RETURN(const std::span<const TensorView> b, b_.Run(features[0], count));
    RETURN_IF_ERROR(CheckScores(a[0], count));
    RETURN_IF_ERROR(CheckScores(b[0], count));
    std::vector<std::string> answers;
    for (int64_t row = 0; row < count; ++row) answers.push_back(Compare(a[0], b[0], row));
    return answers;
  }

 private:
  Digits(LocalRunner preprocess, LocalRunner a, LocalRunner b)
      : preprocess_(std::move(preprocess)), a_(std::move(a)), b_(std::move(b)) {}

  static std::string Compare(const TensorView& a, const TensorView& b, int64_t row) {
    const std::span<const float> of_a = RowOf(a, row);
    const std::span<const float> of_b = RowOf(b, row);
    const auto best_a = std::max_element(of_a.begin(), of_a.end());
    const auto best_b = std::max_element(of_b.begin(), of_b.end());
    const int64_t digit_a = best_a - of_a.begin();
    const int64_t digit_b = best_b - of_b.begin();
    const std::string both =
        absl::StrFormat("model_a %d %.2f, model_b %d %.2f", digit_a, *best_a, digit_b, *best_b);
    return digit_a == digit_b ? StrCat(digit_a, " (agree: ", both, ")")
                              : StrCat("disagree: ", both);
  }

  LocalRunner preprocess_;
  LocalRunner a_;
  LocalRunner b_;
};

// What a classifier of text says of each row.
struct Feelings {
  std::vector<std::string_view> labels;
  std::span<const float> scores;
};

absl::StatusOr<Feelings> Classify(LocalRunner& classifier, const TensorView& texts) {
  const int64_t count = texts.shape[0];
  ASSIGN_OR_RETURN(const std::span<const TensorView> outputs, classifier.Run(texts, count));
  Feelings feelings;
  ASSIGN_OR_RETURN(feelings.labels, ParseBytesElements(outputs[0].bytes));
  feelings.scores = outputs[1].As<float>();
  if (feelings.labels.size() != feelings.scores.size()) {
    return absl::InternalError("the classifier's labels and scores differ in number");
  }
  return feelings;
}

class Text final : public Graph {
 public:
  static absl::StatusOr<std::unique_ptr<Graph>> Create(const RunnerSource& source) {
    ASSIGN_OR_RETURN(LocalRunner sentiment, LocalRunner::Load(source, "sentiment", "torch"));
    return std::unique_ptr<Graph>(new Text(std::move(sentiment)));
  }

  absl::StatusOr<std::vector<std::string>> Answer(const TensorView& rows) override {
    ASSIGN_OR_RETURN(const Feelings feelings, Classify(sentiment_, rows));
    return std::vector<std::string>(feelings.labels.begin(), feelings.labels.end());
  }

 private:
  explicit Text(LocalRunner sentiment) : sentiment_(std::move(sentiment)) {}

  LocalRunner sentiment_;
};

class Sentiment final : public Graph {
 public:
  static absl::StatusOr<std::unique_ptr<Graph>> Create(const RunnerSource& source) {
    ASSIGN_OR_RETURN(LocalRunner ocr, LocalRunner::Load(source, "ocr", "ocr"));
    ASSIGN_OR_RETURN(LocalRunner sentiment, LocalRunner::Load(source, "sentiment", "torch"));
    return std::unique_ptr<Graph>(new Sentiment(std::move(ocr), std::move(sentiment)));
  }

  absl::StatusOr<std::vector<std::string>> Answer(const TensorView& rows) override {
    ASSIGN_OR_RETURN(const std::vector<std::string_view> images, ParseBytesElements(rows.bytes));
    std::vector<std::string> lines;
    std::string framed;
    for (const std::string_view image : images) {
      ASSIGN_OR_RETURN(const std::string line, Read(image));
      AppendBytesElement(line, framed);
      lines.push_back(line);
    }
    const AlignedBuffer texts = AlignedBuffer::Copy(AsBytes(framed));
    ASSIGN_OR_RETURN(const Feelings feelings,
                     Classify(sentiment_, {.dtype = DataType::kBytes,
                                           .shape = {static_cast<int64_t>(lines.size())},
                                           .bytes = texts.bytes()}));
    std::vector<std::string> answers;
    for (size_t i = 0; i < lines.size(); ++i) {
      answers.push_back(lines[i].empty()
                            ? "NO TEXT"
                            : absl::StrFormat("%s %.2f: \"%s\"", std::string(feelings.labels[i]),
                                              feelings.scores[i], lines[i]));
    }
    return answers;
  }

 private:
  Sentiment(LocalRunner ocr, LocalRunner sentiment)
      : ocr_(std::move(ocr)), sentiment_(std::move(sentiment)) {}

  // One image's text, its lines joined.
  absl::StatusOr<std::string> Read(std::string_view image) {
    std::string framed;
    AppendBytesElement(image, framed);
    ASSIGN_OR_RETURN(
        const std::span<const TensorView> outputs,
        ocr_.Run({.dtype = DataType::kBytes, .shape = {1}, .bytes = AsBytes(framed)}, 1));
    ASSIGN_OR_RETURN(const std::vector<std::string_view> texts,
                     ParseBytesElements(outputs[0].bytes));
    if (texts.size() != 1) return absl::InternalError("the ocr runner gave no one text");
    std::string line(texts[0]);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
  }

  LocalRunner ocr_;
  LocalRunner sentiment_;
};

class Copy final : public Graph {
 public:
  absl::StatusOr<std::vector<std::string>> Answer(const TensorView& rows) override {
    if (copy_.bytes().size() != rows.bytes.size()) copy_ = AlignedBuffer(rows.bytes.size());
    std::memcpy(copy_.bytes().data(), rows.bytes.data(), rows.bytes.size());
    // Whatever the compiler knows of this buffer, it was written.
    asm volatile("" : : "r"(copy_.bytes().data()) : "memory");
    return std::vector<std::string>(static_cast<size_t>(rows.shape[0]));
  }

 private:
  AlignedBuffer copy_;
};

class ReadOnce final : public Graph {
 public:
  static absl::StatusOr<std::unique_ptr<Graph>> Create(const RunnerSource& source) {
    ASSIGN_OR_RETURN(LocalRunner reader, LocalRunner::Load(source, "a", "testing"));
    return std::unique_ptr<Graph>(new ReadOnce(std::move(reader)));
  }

  absl::StatusOr<std::vector<std::string>> Answer(const TensorView& rows) override {
    if (rows.shape[0] != 1) return absl::InvalidArgumentError("'read' takes one request at a time");
    const auto count = static_cast<int64_t>(rows.bytes.size() / sizeof(float));
    ASSIGN_OR_RETURN(
        const std::span<const TensorView> sums,
        reader_.Run({.dtype = DataType::kFp32, .shape = {count}, .bytes = rows.bytes}, 1));
    return std::vector<std::string>{absl::StrFormat("%.0f", sums[0].As<float>().front())};
  }

 private:
  explicit ReadOnce(LocalRunner reader) : reader_(std::move(reader)) {}

  LocalRunner reader_;
};

using GraphFactory =
    std::function<absl::StatusOr<std::unique_ptr<Graph>>(const RunnerSource& source)>;

std::map<std::string, GraphFactory, std::less<>> Factories() {
  return {{"copy", [](const RunnerSource&) { return std::make_unique<Copy>(); }},
          {"digits", Digits::Create},
          {"read", ReadOnce::Create},
          {"sentiment", Sentiment::Create},
          {"text", Text::Create}};
}

}  // namespace

std::vector<std::string> GraphNames() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : Factories()) names.push_back(name);
  return names;
}

absl::StatusOr<std::unique_ptr<Graph>> MakeGraph(std::string_view name,
                                                 const RunnerSource& source) {
  const auto factories = Factories();
  const auto found = factories.find(name);
  if (found == factories.end()) return absl::InvalidArgumentError(StrCat("no graph '", name, "'"));
  return found->second(source);
}

}  // namespace tiffin::bench
