#include "worker/ocr/options.h"

#include <array>
#include <string_view>
#include <utility>

#include "common/keys/options.h"
#include "common/status_macros.h"

namespace tiffin::worker {
namespace {

using keys::Key;

constexpr std::pair<std::string_view, PageMode> kPageModes[] = {
    {"auto", PageMode::kAuto},
    {"single_block", PageMode::kSingleBlock},
    {"single_column", PageMode::kSingleColumn},
    {"single_line", PageMode::kSingleLine},
    {"single_word", PageMode::kSingleWord},
    {"sparse_text", PageMode::kSparseText}};
constexpr std::array kPageModeWords = keys::WordsOf(kPageModes);
constexpr std::pair<std::string_view, Preparation> kPreparations[] = {
    {"auto", Preparation::kAuto}, {"on", Preparation::kOn}, {"off", Preparation::kOff}};
constexpr std::array kPreparationWords = keys::WordsOf(kPreparations);
// Of what would spoil an image that doesn't need it.
constexpr std::array<std::string_view, 2> kUnforcedWords = {"auto", "off"};

constexpr std::array<Key, 9> kKeys = {{
    {.name = "languages",
     .form = keys::List{.noun = "names of Tesseract's languages, such as [eng, deu]",
                        .item = keys::Text{.wanted = "a name", .pattern = "[A-Za-z0-9_]{1,32}"},
                        .min = 1,
                        .max = 8,
                        .is_unique = true},
     .meaning = "The languages of the text, the main one first; each needs its data, on Debian the "
                "package tesseract-ocr-NAME",
     .otherwise = kDefaultLanguage},
    {.name = "page_mode",
     .form = keys::Choice{.words = kPageModeWords, .fallback = "auto"},
     .meaning = "How the text lies on the image: columns, blocks and lines that are searched for, "
                "one of them, or as much as can be found in no order (Tesseract's page "
                "segmentation)"},
    {.name = "upscale",
     .form = keys::Choice{.words = kPreparationWords, .fallback = "auto"},
     .meaning = "Enlarges the image until its text is of the size that Tesseract reads best, 4 "
                "times at most, and never beyond `max_pixels`; auto: if its letters are less than "
                "about 13 pixels high; on: also larger ones, and by 2 where there are none to "
                "measure"},
    {.name = "background",
     .form = keys::Choice{.words = kPreparationWords, .fallback = "auto"},
     .meaning = "Divides the image by its background, so that shadows and unlevel light vanish; "
                "auto: if the light is unlevel"},
    {.name = "despeckle",
     .form = keys::Choice{.words = kUnforcedWords, .fallback = "auto"},
     .meaning = "Takes specks away, if they outnumber the letters"},
    {.name = "deskew",
     .form = keys::Choice{.words = kUnforcedWords, .fallback = "auto"},
     .meaning = "Turns the image by the few degrees by which its lines are slanted"},
    {.name = "max_pixels",
     .form = keys::Integer{.min = 1, .max = kMostPixels, .fallback = kDefaultMaxPixels},
     .meaning = "An encoded image of more is refused before it is decoded"},
    {.name = "time_limit",
     .form = keys::Duration{.fallback = kDefaultTimeLimit},
     .meaning = "An image that takes longer is given up, at the next step of its reading"},
    {.name = "min_confidence",
     .form = keys::Number{.min = 0, .max = 1, .fallback = kDefaultMinConfidence},
     .meaning = "Lines whose letters Tesseract believes in less on average are dropped; 0 keeps "
                "all; 0.6 leaves nothing of photographs, but loses text that is badly blurred"},
}};

}  // namespace

std::span<const Key> OcrKeys() { return kKeys; }

absl::StatusOr<OcrOptions> ParseOcrOptions(const nlohmann::json& options) {
  ASSIGN_OR_RETURN(const keys::Options read, keys::Options::Read("ocr", kKeys, options));
  OcrOptions parsed = {.page_mode = read.Choice("page_mode", kPageModes),
                       .despeckle = read.Choice("despeckle", kPreparations),
                       .upscale = read.Choice("upscale", kPreparations),
                       .background = read.Choice("background", kPreparations),
                       .deskew = read.Choice("deskew", kPreparations),
                       .max_pixels = read.Integer("max_pixels"),
                       .time_limit = read.Duration("time_limit"),
                       .min_confidence = read.Number("min_confidence")};
  if (const nlohmann::json* languages = read.Find("languages")) {
    parsed.languages = languages->get<std::vector<std::string>>();
  }
  return parsed;
}

}  // namespace tiffin::worker
