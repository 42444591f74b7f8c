// The model: how a text feels, by the words in it. Put one of your own in its place.
#include <tiffin/backend.h>

#include <array>
#include <cctype>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>

using namespace tiffin;

namespace {

constexpr keys::List kWords = {.noun = "words such as [lovely, warm]",
                               .item = keys::Text{.wanted = "a word in lower case"}};
// The options in service.yaml. Others, and others' types, are errors that name them.
constexpr std::array<keys::Key, 2> kOptions = {{
    {.name = "good",
     .form = kWords,
     .meaning = "Words that feel good",
     .required = "good: [lovely, warm]"},
    {.name = "bad",
     .form = kWords,
     .meaning = "Words that feel bad",
     .required = "bad: [cold, rude]"},
}};

using Words = std::set<std::string>;

// The next word of `text`, in lower case, which goes from it; empty: there is none.
std::string NextWord(std::string_view& text) {
  std::string word;
  while (!text.empty()) {
    const unsigned char character = text.front();
    text.remove_prefix(1);
    if (std::isalnum(character)) {
      word += static_cast<char>(std::tolower(character));
    } else if (!word.empty()) {
      break;
    }
  }
  return word;
}

struct Feeling {
  std::string label;
  std::string words;  // The known ones, as they came.
};

class Model : public worker::Backend {
 public:
  Model(Words good, Words bad) : good_(std::move(good)), bad_(std::move(bad)) {}

  const Signature& signature() const override { return signature_; }

  // Called for each request, or for several that run together: there is a text for each row.
  absl::Status Run(const worker::Invocation& invocation, worker::Outputs& outputs) override {
    const TensorView& input = invocation.inputs[0];
    const auto texts = ParseBytesElements(input.bytes);
    if (!texts.ok()) return texts.status();
    std::string labels;
    std::string words;
    for (const std::string_view text : *texts) {
      const auto feeling = Judge(text);
      if (!feeling.ok()) return feeling.status();
      AppendBytesElement(feeling->label, labels);
      AppendBytesElement(feeling->words, words);
    }
    const absl::Status written = Write(labels, input.shape, 0, outputs);
    return written.ok() ? Write(words, input.shape, 1, outputs) : written;
  }

 private:
  absl::StatusOr<Feeling> Judge(std::string_view text) const {
    std::string word = NextWord(text);
    if (word.empty()) {
      return absl::InvalidArgumentError("the text has no words; send one that has");
    }
    int balance = 0;
    std::string words;
    for (; !word.empty(); word = NextWord(text)) {
      if (!good_.contains(word) && !bad_.contains(word)) continue;
      balance += good_.contains(word) ? 1 : -1;
      words += (words.empty() ? "" : " ") + word;
    }
    return Feeling{balance > 0 ? "good" : balance < 0 ? "bad" : "so-so", words};
  }

  static absl::Status Write(const std::string& elements, const Shape& shape, size_t output,
                            worker::Outputs& outputs) {
    const auto memory = outputs.Allocate(output, DataType::kBytes, shape, elements.size());
    if (!memory.ok()) return memory.status();
    std::memcpy(memory->data(), elements.data(), elements.size());
    return absl::OkStatus();
  }

  const Words good_;
  const Words bad_;
  const Signature signature_ = {{"run",
                                 {.inputs = {{"text", SingleType(ValueKind::kText)}},
                                  .outputs = {{"label", SingleType(ValueKind::kText)},
                                              {"words", SingleType(ValueKind::kText)}},
                                  .batchable = true}}};
};

// Called once, before the first request.
absl::StatusOr<std::unique_ptr<worker::Backend>> Create(const worker::BackendConfig& config) {
  const auto options = keys::Options::Read("{{name}}_model", kOptions, config.options);
  if (!options.ok()) return options.status();
  return std::make_unique<Model>(options->Find("good")->get<Words>(),
                                 options->Find("bad")->get<Words>());
}

}  // namespace

int main(int argc, char** argv) {
  return worker::WorkerMain(argc, argv, "{{name}}_model", kOptions, Create);
}
