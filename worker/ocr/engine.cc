#include "worker/ocr/engine.h"

#include <leptonica/allheaders.h>
#include <tesseract/baseapi.h>
#include <tesseract/ocrclass.h>
#include <tesseract/pageiterator.h>
#include <tesseract/publictypes.h>
#include <tesseract/resultiterator.h>

#include <algorithm>
#include <cstdlib>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "common/status_macros.h"
#include "common/strings.h"
#include "worker/ocr/measures.h"

// Of libgomp, which Tesseract is built with; its header comes with one compiler only.
extern "C" void omp_set_max_active_levels(int max_levels);

namespace tiffin::worker {
namespace {

tesseract::PageSegMode SegmentationMode(PageMode mode) {
  switch (mode) {
    case PageMode::kAuto:
      return tesseract::PSM_AUTO;
    case PageMode::kSingleBlock:
      return tesseract::PSM_SINGLE_BLOCK;
    case PageMode::kSingleColumn:
      return tesseract::PSM_SINGLE_COLUMN;
    case PageMode::kSingleLine:
      return tesseract::PSM_SINGLE_LINE;
    case PageMode::kSingleWord:
      return tesseract::PSM_SINGLE_WORD;
    case PageMode::kSparseText:
      return tesseract::PSM_SPARSE_TEXT;
  }
  std::abort();
}

std::string Join(const std::vector<std::string>& names, std::string_view separator) {
  std::string joined;
  for (const std::string& name : names)
    joined += StrCat(joined.empty() ? std::string_view() : separator, name);
  return joined;
}

// Tesseract takes the I of fonts without serifs for a bar, more often than it errs in any other
// way. A real bar goes below the line that letters stand on, which an I does not. `box` may be that
// of the whole line's height, so the ink in it is looked at.
std::string MendBar(std::string text, const tesseract::PageIterator& word, const cv::Rect& box,
                    const cv::Mat& image) {
  const bool may_be_letter = text == "|" || text.starts_with("|'") || text.starts_with("|’");
  int x1 = 0;
  int y1 = 0;
  int x2 = 0;
  int y2 = 0;
  if (!may_be_letter || !word.Baseline(tesseract::RIL_WORD, &x1, &y1, &x2, &y2)) return text;
  const cv::Rect seen = box & cv::Rect(cv::Point(0, 0), image.size());
  if (seen.empty()) return text;
  const cv::Rect ink = cv::boundingRect(FindInk(image(seen)));
  const double below = seen.y + ink.br().y - (y1 + y2) / 2.0;
  if (below < 0.1 * ink.height) text[0] = 'I';
  return text;
}

// Asked by Tesseract between words, which knows callbacks in C's way only.
struct Stop {
  const std::function<absl::Status()>& proceed;
  absl::Status status;

  static bool Asked(void* stop, int /*words*/) {
    auto* self = static_cast<Stop*>(stop);
    if (self->status.ok()) self->status = self->proceed();
    return !self->status.ok();
  }
};

}  // namespace

Engine::Engine(const OcrOptions& options) : options_(options) {}
Engine::~Engine() = default;

absl::StatusOr<std::unique_ptr<Engine>> Engine::Create(const OcrOptions& options) {
  std::unique_ptr<Engine> engine(new Engine(options));
  RETURN_IF_ERROR(engine->Start());
  return engine;
}

absl::Status Engine::Start() {
  setMsgSeverity(L_SEVERITY_NONE);
  auto api = std::make_unique<tesseract::TessBaseAPI>();
  // Where Tesseract writes what it thinks of an image; stderr otherwise.
  api->SetVariable("debug_file", "/dev/null");
  const std::string languages = Join(options_.languages, "+");
  const int failed = api->Init(nullptr, languages.c_str(), tesseract::OEM_LSTM_ONLY);
  std::vector<std::string> loaded;
  if (failed == 0) api->GetLoadedLanguagesAsVector(&loaded);
  for (const std::string& language : options_.languages) {
    // It goes on without those that it does not find.
    if (std::find(loaded.begin(), loaded.end(), language) != loaded.end()) continue;
    std::vector<std::string> installed;
    api->GetAvailableLanguagesAsVector(&installed);
    std::string package = "tesseract-ocr-" + ToLower(language);
    std::replace(package.begin(), package.end(), '_', '-');
    return absl::InvalidArgumentError(StrCat(
        "ocr backend: option 'languages': there is no usable ", language, ".traineddata in ",
        api->GetDatapath(), "; install Debian's package ", package,
        ", or choose among: ", installed.empty() ? "(none is installed)" : Join(installed, ", ")));
  }
  api->SetPageSegMode(SegmentationMode(options_.page_mode));
  api_ = std::move(api);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ReadWord>> Engine::Read(const cv::Mat& image,
                                                   const std::function<absl::Status()>& proceed) {
  if (api_ == nullptr) RETURN_IF_ERROR(Start());
  try {
    return ReadUnguarded(image, proceed);
  } catch (...) {
    api_ = nullptr;
    throw;
  }
}

absl::StatusOr<std::vector<ReadWord>> Engine::ReadUnguarded(
    const cv::Mat& image, const std::function<absl::Status()>& proceed) {
  // Tesseract asks OpenMP for four threads a layer. They cost more than they gain, and the cores
  // are divided by us: parallel regions of this thread get none. (OMP_THREAD_LIMIT does the same,
  // but only from outside: OpenMP reads it before main begins.)
  omp_set_max_active_levels(0);
  api_->ClearAdaptiveClassifier();
  api_->SetImage(image.data, image.cols, image.rows, 1, static_cast<int>(image.step));
  Stop stop{proceed, absl::OkStatus()};
  tesseract::ETEXT_DESC monitor;
  monitor.cancel = &Stop::Asked;
  monitor.cancel_this = &stop;
  const int failed = api_->Recognize(&monitor);
  std::vector<ReadWord> words;
  // It fails where there is nothing to read, on an image of one pixel for instance.
  if (failed == 0 && stop.status.ok()) words = Words(image);
  api_->Clear();
  RETURN_IF_ERROR(stop.status);
  return words;
}

std::vector<ReadWord> Engine::Words(const cv::Mat& image) {
  std::vector<ReadWord> words;
  const std::unique_ptr<tesseract::ResultIterator> it(api_->GetIterator());
  if (it == nullptr) return words;
  constexpr tesseract::PageIteratorLevel kWord = tesseract::RIL_WORD;
  for (it->Begin(); !it->Empty(kWord);) {
    const std::unique_ptr<char[]> text(it->GetUTF8Text(kWord));
    int left = 0;
    int top = 0;
    int right = 0;
    int bottom = 0;
    if (text != nullptr && it->BoundingBox(kWord, &left, &top, &right, &bottom)) {
      const cv::Rect box(left, top, right - left, bottom - top);
      words.push_back(
          {.text = MendBar(std::string(Trim(text.get())), *it, box, image),
           .confidence = std::clamp(static_cast<double>(it->Confidence(kWord)) / 100, 0.0, 1.0),
           .box = box,
           .ends_line = it->IsAtFinalElement(tesseract::RIL_TEXTLINE, kWord)});
    }
    if (!it->Next(kWord)) break;
  }
  return words;
}

}  // namespace tiffin::worker
