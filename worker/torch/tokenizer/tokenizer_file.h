#pragma once

#include <filesystem>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "worker/torch/tokenizer/tokenizer.h"

namespace tiffin::worker {

enum class LetterCase { kKept, kLowered };

// Reads Hugging Face's tokenizer.json. INVALID_ARGUMENT names the file and what in it is not
// understood: the family of BERT is, with its normalizer, its words, WordPiece, and the special
// tokens that it puts around one text.
absl::StatusOr<TokenizerSpec> ReadTokenizerJson(const std::filesystem::path& file);
// The same from the file's content; errors do not name the file.
absl::StatusOr<TokenizerSpec> ParseTokenizerJson(const nlohmann::json& json);

// Reads BERT's vocab.txt: a token a line, numbered from 0. [UNK], [CLS], [SEP] and [PAD] must be
// among them. Accents are stripped where letters are lowered.
absl::StatusOr<TokenizerSpec> ReadVocabulary(const std::filesystem::path& file,
                                             LetterCase letter_case);

}  // namespace tiffin::worker
