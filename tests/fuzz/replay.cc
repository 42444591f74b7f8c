// Runs a target without libFuzzer: on all files of a folder, and on inputs made from them at
// random. A target's own main, in builds that are not for libFuzzer.
//   fuzz-TARGET FOLDER [MUTATIONS [SEED]]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr size_t kLargestInput = 16384;

void Run(const std::string& input) {
  // In memory of just its size, so that AddressSanitizer sees who reads beyond.
  const std::vector<uint8_t> copy(input.begin(), input.end());
  LLVMFuzzerTestOneInput(copy.data(), copy.size());
}

class Mutator {
 public:
  // `corpus` is not empty.
  Mutator(const std::vector<std::string>& corpus, unsigned seed) : corpus_(corpus), random_(seed) {}

  std::string Next() {
    std::string input = Any();
    const size_t changes = 1 + Below(6);
    for (size_t i = 0; i < changes; ++i) Change(input);
    if (input.size() > kLargestInput) input.resize(kLargestInput);
    return input;
  }

 private:
  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }
  const std::string& Any() { return corpus_[Below(corpus_.size())]; }
  // A piece of `text`.
  std::string Piece(const std::string& text) {
    const size_t at = Below(text.size() + 1);
    return text.substr(at, Below(40));
  }

  void Change(std::string& input) {
    const size_t at = Below(input.size() + 1);
    switch (Below(6)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(Below(256));
        break;
      case 1:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ (1 << Below(8)));
        break;
      case 2:
        input.erase(at, Below(20));
        break;
      case 3:
        input.insert(at, Piece(input));
        break;
      case 4:
        input.insert(at, Piece(Any()));
        break;
      default:
        // Numbers at the edges, of any width.
        input.insert(at, std::string(1 + Below(9), Below(2) == 0 ? '\0' : '\xff'));
        break;
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937 random_;
};

std::vector<std::string> ReadFolder(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> inputs;
  for (const auto& file : files) {
    std::ifstream stream(file, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return inputs;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s FOLDER [MUTATIONS [SEED]]\n", argv[0]);
    return 2;
  }
  const std::vector<std::string> corpus = ReadFolder(argv[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "fuzz: no file in '%s'\n", argv[1]);
    return 2;
  }
  for (const std::string& input : corpus) Run(input);
  const unsigned long mutations = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  const unsigned seed =
      argc > 3 ? static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)) : std::random_device{}();
  std::printf("fuzz: %zu files; %lu inputs made from them, with the seed %u\n", corpus.size(),
              mutations, seed);
  std::fflush(stdout);  // To be read where the next one ends the program.
  Mutator mutator(corpus, seed);
  for (unsigned long i = 0; i < mutations; ++i) Run(mutator.Next());
  return 0;
}
