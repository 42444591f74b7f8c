#include "common/model/digest.h"

#include <fcntl.h>
#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "common/model/file.h"
#include "common/status_macros.h"

namespace tiffin::model {
namespace {

constexpr size_t kPieceSize = size_t{1} << 20;

// One digest being computed. OpenSSL's calls fail only when memory is out, or when its SHA-256 is
// missing: broken invariants both.
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (context_ == nullptr || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
      std::abort();
    }
  }

  void Update(std::string_view bytes) {
    if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) std::abort();
  }

  std::string FinishHex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest.data(), &size) != 1) std::abort();
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    hex.reserve(size_t{2} * size);
    for (size_t i = 0; i < size; ++i) {
      hex.push_back(kDigits[digest[i] >> 4]);
      hex.push_back(kDigits[digest[i] & 0xf]);
    }
    return hex;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256Hex(std::string_view bytes) {
  Sha256 sha256;
  sha256.Update(bytes);
  return sha256.FinishHex();
}

absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(const File file, File::Open(path, O_RDONLY));
  RETURN_IF_ERROR(file.CheckRegular());
  Sha256 sha256;
  std::vector<char> piece(kPieceSize);
  while (true) {
    ASSIGN_OR_RETURN(const std::string_view bytes, file.ReadSome(piece));
    if (bytes.empty()) return sha256.FinishHex();
    sha256.Update(bytes);
  }
}

}  // namespace tiffin::model
