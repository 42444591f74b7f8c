// Prints the tokens of texts, for comparison with Hugging Face's tokenizers.
//
// usage: tokenizer-dump TOKENIZER MAX_LENGTH < texts
// TOKENIZER is a tokenizer.json, a vocab.txt, or (with letters as they are) a file called
// cased-vocab.txt. Each text ends with a zero byte; the answer is a line of JSON for each.

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <utility>

#include "worker/torch/tokenizer/tokenizer.h"
#include "worker/torch/tokenizer/tokenizer_file.h"
#include "worker/torch/tokenizer/unicode.h"

namespace tiffin::worker {
namespace {

absl::StatusOr<TokenizerSpec> Read(const std::filesystem::path& file) {
  if (file.extension() == ".json") return ReadTokenizerJson(file);
  return ReadVocabulary(
      file, file.filename() == "cased-vocab.txt" ? LetterCase::kKept : LetterCase::kLowered);
}

int Main(const std::filesystem::path& file, size_t max_length) {
  absl::StatusOr<TokenizerSpec> spec = Read(file);
  if (!spec.ok()) {
    std::cerr << spec.status().message() << std::endl;
    return 2;
  }
  const absl::StatusOr<Tokenizer> tokenizer = Tokenizer::Create(*std::move(spec));
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status().message() << std::endl;
    return 1;
  }
  std::string text;
  while (std::getline(std::cin, text, '\0')) {
    if (ValidUtf8Size(text) != text.size()) {
      std::cout << "\"not UTF-8\"\n";
      continue;
    }
    std::string line;
    for (const int64_t id : tokenizer->Encode(text, max_length)) {
      line += line.empty() ? '[' : ',';
      line += std::to_string(id);
    }
    std::cout << line << "]\n";
  }
  return 0;
}

}  // namespace
}  // namespace tiffin::worker

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: tokenizer-dump TOKENIZER MAX_LENGTH < texts" << std::endl;
    return 2;
  }
  return tiffin::worker::Main(argv[1], std::strtoull(argv[2], nullptr, 10));
}
