#include "common/shm/segment_pool.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/status/status.h"
#include "common/cgroup.h"
#include "common/shm/invariant.h"
#include "common/status_macros.h"
#include "common/strings.h"

namespace tiffin::shm {
namespace {

constexpr uint64_t kPage = 4096;

// `size` must not be within a page of the largest uint64.
uint64_t RoundUpToPage(uint64_t size) {
  return (std::max<uint64_t>(size, 1) + kPage - 1) / kPage * kPage;
}

}  // namespace

uint64_t LimitByCgroup(uint64_t total) { return LimitByCgroup(total, CgroupPaths()); }

SegmentPool::~SegmentPool() {
  if (limits_.shared != nullptr) limits_.shared->Return(total_bytes_);
}

uint64_t SegmentPool::Remaining() const {
  const uint64_t own = limits_.total - total_bytes_;
  return limits_.shared == nullptr ? own : std::min(own, limits_.shared->left());
}

absl::StatusOr<Allocation> SegmentPool::Allocate(uint64_t size) {
  if (size <= limits_.total) {
    if (std::optional<Allocation> found = AllocateInExisting(size)) return *found;
    const uint64_t least = RoundUpToPage(size);
    if (least > Remaining()) {
      if (std::optional<Allocation> found = AllocateAnywhere(size)) return *found;
    }
    while (MakeRoom(least)) {
      const Use use = size > next_size_ / 2 ? Use::kOneTensor : Use::kMany;
      const uint64_t wanted = use == Use::kMany ? next_size_ : std::bit_ceil(least);
      const uint64_t affordable = std::max(std::bit_floor(Remaining()), least);
      const uint64_t made = std::min(wanted, affordable);
      // Another pool may have been faster.
      if (limits_.shared != nullptr && !limits_.shared->Take(made)) continue;
      ASSIGN_OR_RETURN(const Segments::iterator added, AddSegment(made, use));
      return *AllocateIn(*added, size);
    }
  }
  const std::string shared =
      limits_.shared == nullptr ? "" : StrCat(", of which ", limits_.shared->left(), " are left");
  return absl::ResourceExhaustedError(StrCat(
      "no room for a tensor of ", size, " bytes in shared memory: ", allocated_bytes_,
      " bytes are in use, in segments of ", total_bytes_, ", and the limit is ", limits_.total,
      shared, "; raise the segment limit, or have fewer or smaller tensors in flight"));
}

std::optional<Allocation> SegmentPool::AllocateIn(Segments::value_type& entry, uint64_t size) {
  const std::optional<uint64_t> offset = entry.second.free_list.Allocate(size);
  if (!offset.has_value()) return std::nullopt;
  allocated_bytes_ += size;
  return Allocation{.segment = entry.first,
                    .offset = *offset,
                    .bytes = entry.second.segment.bytes().subspan(*offset, size)};
}

std::optional<Allocation> SegmentPool::AllocateInExisting(uint64_t size) {
  for (auto& entry : segments_) {
    const Entry& candidate = entry.second;
    if (candidate.use == Use::kOneTensor &&
        (!candidate.free_list.all_free() || size <= candidate.segment.size() / 2)) {
      continue;
    }
    if (std::optional<Allocation> found = AllocateIn(entry, size)) return found;
  }
  return std::nullopt;
}

std::optional<Allocation> SegmentPool::AllocateAnywhere(uint64_t size) {
  for (auto& entry : segments_) {
    if (std::optional<Allocation> found = AllocateIn(entry, size)) return found;
  }
  return std::nullopt;
}

bool SegmentPool::MakeRoom(uint64_t size) {
  const uint64_t remaining = Remaining();
  if (size <= remaining) return true;
  uint64_t missing = size - remaining;
  uint64_t free = 0;
  for (const auto& [index, entry] : segments_) {
    if (entry.free_list.all_free()) free += entry.segment.size();
  }
  if (free < missing) return false;
  for (auto entry = segments_.begin(); entry != segments_.end() && missing > 0;) {
    if (!entry->second.free_list.all_free()) {
      ++entry;
      continue;
    }
    missing -= std::min(missing, entry->second.segment.size());
    entry = Drop(entry);
  }
  return true;
}

absl::StatusOr<SegmentPool::Segments::iterator> SegmentPool::AddSegment(uint64_t size, Use use) {
  absl::StatusOr<OwnedSegment> segment = OwnedSegment::Create(size);
  if (!segment.ok()) {
    if (limits_.shared != nullptr) limits_.shared->Return(size);
    return segment.status();
  }
  const uint64_t index = next_index_++;
  total_bytes_ += size;
  unannounced_.push_back(index);
  if (use == Use::kMany) next_size_ = std::min(next_size_ * 2, limits_.largest_segment);
  Entry entry{.segment = *std::move(segment),
              .free_list = FreeList(size),
              .use = use,
              .idle_since = clock_.Now()};
  return segments_.emplace(index, std::move(entry)).first;
}

SegmentPool::Segments::iterator SegmentPool::Drop(Segments::iterator entry) {
  total_bytes_ -= entry->second.segment.size();
  if (limits_.shared != nullptr) limits_.shared->Return(entry->second.segment.size());
  // One that nobody was told of goes without a word.
  if (std::erase(unannounced_, entry->first) == 0) gone_.push_back(entry->first);
  const auto next = segments_.erase(entry);
  if (segments_.empty()) next_size_ = limits_.first_segment;
  return next;
}

void SegmentPool::Free(const Allocation& allocation) {
  const auto entry = segments_.find(allocation.segment);
  Require(entry != segments_.end(), "freed a tensor in a segment that does not exist");
  FreeList& free_list = entry->second.free_list;
  free_list.Free(allocation.offset, allocation.bytes.size());
  allocated_bytes_ -= allocation.bytes.size();
  if (free_list.all_free()) entry->second.idle_since = clock_.Now();
}

std::vector<SegmentPool::NewSegment> SegmentPool::TakeNewSegments() {
  std::vector<NewSegment> result;
  result.reserve(unannounced_.size());
  for (const uint64_t index : std::exchange(unannounced_, {})) {
    const OwnedSegment& made = segment(index);
    result.push_back({.index = index, .size = made.size(), .fd = made.fd()});
  }
  return result;
}

std::vector<uint64_t> SegmentPool::DropIdle() {
  const absl::Time now = clock_.Now();
  for (auto entry = segments_.begin(); entry != segments_.end();) {
    const bool idle =
        entry->second.free_list.all_free() && now - entry->second.idle_since >= limits_.idle;
    entry = idle ? Drop(entry) : std::next(entry);
  }
  return std::exchange(gone_, {});
}

void SegmentPool::DropFree() {
  for (auto entry = segments_.begin(); entry != segments_.end();) {
    entry = entry->second.free_list.all_free() ? Drop(entry) : std::next(entry);
  }
}

const OwnedSegment& SegmentPool::segment(uint64_t index) const {
  const auto entry = segments_.find(index);
  Require(entry != segments_.end(), "asked for a segment that does not exist");
  return entry->second.segment;
}

int SegmentPool::fd(uint64_t index) const { return segment(index).fd(); }

uint64_t SegmentPool::segment_size(uint64_t index) const { return segment(index).size(); }

std::span<std::byte> SegmentPool::bytes(uint64_t index) const { return segment(index).bytes(); }

}  // namespace tiffin::shm
