#include "gateway/dispatch/quarantine.h"

#include <algorithm>
#include <utility>

#include "common/model/digest.h"
#include "common/strings.h"

namespace tiffin::gateway {
namespace {

constexpr int kDeathsToQuarantine = 2;

// Of the bytes, not of their shapes: what a model is given in another shape is suspect too. Empty
// if they can't be read.
std::string DigestOf(const CallContent& content) {
  std::string summary = StrCat(content.method, " ", content.rows);
  for (const auto& input : content.inputs) {
    const auto bytes = input->Bytes();
    if (!bytes.ok()) return "";
    summary += StrCat(" ", bytes->size(), " ", model::Sha256Hex(AsStringView(*bytes)));
  }
  return model::Sha256Hex(summary);
}

}  // namespace

uint64_t CallContent::size() const {
  uint64_t sum = 0;
  for (const auto& input : inputs) sum += input->size();
  return sum;
}

std::deque<Quarantine::Entry>::iterator Quarantine::Find(uint64_t size, std::string_view digest) {
  const absl::Time now = clock_.Now();
  std::erase_if(entries_, [&](const Entry& entry) { return entry.until <= now; });
  empty_ = entries_.empty();
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.size == size && entry.digest == digest;
  });
}

bool Quarantine::MayHold(uint64_t size) {
  if (empty_) return false;
  const absl::MutexLock lock(&mutex_);
  return std::any_of(entries_.begin(), entries_.end(),
                     [&](const Entry& entry) { return entry.size == size; });
}

Quarantine::Verdict Quarantine::Judge(const CallContent& content) {
  if (!MayHold(content.size())) return Verdict::kClear;  // Before anything is digested.
  const std::string digest = DigestOf(content);
  const absl::MutexLock lock(&mutex_);
  const auto entry = Find(content.size(), digest);
  if (entry == entries_.end()) return Verdict::kClear;
  return entry->deaths >= kDeathsToQuarantine ? Verdict::kQuarantined : Verdict::kSuspect;
}

Quarantine::Verdict Quarantine::Convict(const CallContent& content, std::string_view life) {
  const std::string digest = DigestOf(content);
  if (digest.empty()) return Verdict::kSuspect;
  const absl::MutexLock lock(&mutex_);
  auto entry = Find(content.size(), digest);
  if (entry == entries_.end()) {
    if (entries_.size() >= kMaxContents) entries_.pop_front();
    entries_.push_back({.size = content.size(), .digest = digest});
    entry = std::prev(entries_.end());
    empty_ = false;
  }
  if (std::exchange(entry->last_life, life) != life) ++entry->deaths;
  entry->until = clock_.Now() + kKept;
  return entry->deaths >= kDeathsToQuarantine ? Verdict::kQuarantined : Verdict::kSuspect;
}

void Quarantine::Acquit(const CallContent& content) {
  if (!MayHold(content.size())) return;
  const std::string digest = DigestOf(content);
  const absl::MutexLock lock(&mutex_);
  if (const auto entry = Find(content.size(), digest); entry != entries_.end()) {
    entries_.erase(entry);
  }
  empty_ = entries_.empty();
}

}  // namespace tiffin::gateway
