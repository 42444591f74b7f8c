#include "worker/ocr/backend.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <functional>
#include <iterator>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/signature.h"
#include "common/status_macros.h"
#include "common/strings.h"
#include "common/tensor.h"
#include "worker/imaging/decode.h"
#include "worker/ocr/engine.h"
#include "worker/ocr/engine_pool.h"
#include "worker/ocr/options.h"
#include "worker/ocr/preparation.h"

namespace tiffin::worker {
namespace {

constexpr std::string_view kWordsMethod = "words";

Signature MakeSignature() {
  const TensorSpec image{"image", SingleType(ValueKind::kImage)};
  const TensorSpec text{"text", SingleType(ValueKind::kText)};
  const TensorSpec words{"words", SingleType(ValueKind::kJson)};
  return {{std::string(kDefaultMethod), {.inputs = {image}, .outputs = {text}}},
          {std::string(kWordsMethod), {.inputs = {image}, .outputs = {text, words}}}};
}

// The lines whose letters Tesseract believes in at least so much on average. A line of text may
// have a word that is hard to read; where there is no text, all of a line is doubtful.
std::vector<ReadWord> BelievedLines(std::vector<ReadWord> words, double min_confidence) {
  std::vector<ReadWord> believed;
  for (auto line = words.begin(); line != words.end();) {
    auto end = std::find_if(line, words.end(), [](const ReadWord& word) { return word.ends_line; });
    if (end != words.end()) ++end;
    double letters = 0;
    double confidence = 0;
    for (auto word = line; word != end; ++word) {
      letters += static_cast<double>(word->text.size());
      confidence += static_cast<double>(word->text.size()) * word->confidence;
    }
    if (letters > 0 && confidence >= min_confidence * letters) {
      std::move(line, end, std::back_inserter(believed));
    }
    line = end;
  }
  return believed;
}

std::string JoinText(const std::vector<ReadWord>& words) {
  std::string text;
  for (const ReadWord& word : words) {
    text += word.text;
    text += word.ends_line ? '\n' : ' ';
  }
  if (!text.empty()) text.pop_back();
  return text;
}

std::string WordsToJson(const std::vector<ReadWord>& words) {
  nlohmann::json list = nlohmann::json::array();
  for (const ReadWord& word : words) {
    list.push_back({{"text", word.text},
                    {"confidence", std::round(word.confidence * 1e4) / 1e4},
                    {"box", {word.box.x, word.box.y, word.box.width, word.box.height}}});
  }
  return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::Status WriteElement(size_t index, std::string_view element, Outputs& outputs) {
  std::string framed;
  AppendBytesElement(element, framed);
  ASSIGN_OR_RETURN(const std::span<std::byte> memory,
                   outputs.Allocate(index, DataType::kBytes, Shape{1}, framed.size()));
  std::memcpy(memory.data(), framed.data(), framed.size());
  return absl::OkStatus();
}

class OcrBackend final : public Backend {
 public:
  OcrBackend(const OcrOptions& options, std::vector<std::unique_ptr<Engine>> engines)
      : options_(options), signature_(MakeSignature()), engines_(std::move(engines)) {}

  const Signature& signature() const override { return signature_; }
  int concurrency() const override { return engines_.size(); }

  absl::Status Run(const Invocation& invocation, Outputs& outputs) override {
    return CatchOpenCv("ocr", [&] { return RunUnguarded(invocation, outputs); });
  }

 private:
  absl::Status RunUnguarded(const Invocation& invocation, Outputs& outputs) {
    ASSIGN_OR_RETURN(const std::vector<std::string_view> images,
                     ParseBytesElements(invocation.inputs[0].bytes));
    if (images.size() != 1) {
      return absl::InvalidArgumentError(
          StrCat("input 'image' has ", images.size(), " elements where one is read"));
    }
    const auto end =
        std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(options_.time_limit);
    const auto proceed = [&]() -> absl::Status {
      if (invocation.abandoned()) {
        return absl::CancelledError("the call was abandoned while its image was read");
      }
      if (std::chrono::steady_clock::now() < end) return absl::OkStatus();
      return absl::DeadlineExceededError(
          StrCat("the image was not read within ", absl::FormatDuration(options_.time_limit),
                 "; send a smaller one, or raise the option 'time_limit'"));
    };
    ASSIGN_OR_RETURN(const std::vector<ReadWord> words, ReadImage(images[0], proceed));
    RETURN_IF_ERROR(WriteElement(0, JoinText(words), outputs));
    if (invocation.method != kWordsMethod) return absl::OkStatus();
    return WriteElement(1, WordsToJson(words), outputs);
  }

  // The words believed in, with boxes in the original's pixels.
  absl::StatusOr<std::vector<ReadWord>> ReadImage(std::string_view encoded,
                                                  const std::function<absl::Status()>& proceed) {
    ASSIGN_OR_RETURN(cv::Mat image, DecodeImage(encoded, options_.max_pixels));
    if (image.channels() == 3) cv::cvtColor(image, image, cv::COLOR_BGR2GRAY);
    RETURN_IF_ERROR(proceed());
    ASSIGN_OR_RETURN(const PreparedImage prepared, PrepareImage(image, options_));
    if (prepared.is_noise) return std::vector<ReadWord>();
    RETURN_IF_ERROR(proceed());
    const EnginePool::Loan engine(engines_);
    ASSIGN_OR_RETURN(std::vector<ReadWord> words, (*engine).Read(prepared.image, proceed));
    std::vector<ReadWord> believed = BelievedLines(std::move(words), options_.min_confidence);
    for (ReadWord& word : believed) word.box = ToOriginal(prepared, word.box, image.size());
    return believed;
  }

  const OcrOptions options_;
  const Signature signature_;
  EnginePool engines_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backend>> CreateOcrBackend(const BackendConfig& config) {
  if (!config.model_dir.empty()) {
    return absl::InvalidArgumentError(
        "the ocr backend takes no model; write `backend: ocr` with its options");
  }
  ASSIGN_OR_RETURN(const OcrOptions options, ParseOcrOptions(config.options));
  // The cores go to images read at the same time.
  RETURN_IF_ERROR(StartOpenCv("ocr", 1));
  std::vector<std::unique_ptr<Engine>> engines;
  RETURN_IF_ERROR(CatchOpenCv("ocr", [&]() -> absl::Status {
    for (int i = 0; i < config.threads; ++i) {
      ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, Engine::Create(options));
      engines.push_back(std::move(engine));
    }
    return absl::OkStatus();
  }));
  return std::make_unique<OcrBackend>(options, std::move(engines));
}

}  // namespace tiffin::worker
