#include "common/session/executing_page.h"

#include <algorithm>
#include <atomic>
#include <type_traits>
#include <utility>

#include "common/status_macros.h"

namespace tiffin::session {
namespace {

// The page is a Header and then Slots, to its end. Every field is read and written atomically.
struct Header {
  uint64_t fault;
  uint64_t unlisted;  // Calls that execute and had no slot.
  uint64_t trials;    // Listings of calls on trial.
};
struct Slot {
  uint64_t session;  // 0: free. Written last, cleared first.
  uint64_t call;
};
static_assert(std::is_trivially_copyable_v<Header> && sizeof(Header) == 24);
static_assert(std::is_trivially_copyable_v<Slot> && sizeof(Slot) == 16);
static_assert(std::atomic_ref<uint64_t>::is_always_lock_free);

constexpr size_t kPageBytes = 4096;
// 1 MiB: who executes more calls than that at once has some that are not listed.
constexpr size_t kMaxSlots = size_t{1} << 16;

Header& HeaderOf(std::span<std::byte> bytes) { return *reinterpret_cast<Header*>(bytes.data()); }
Slot& SlotOf(std::span<std::byte> bytes, size_t index) {
  return *reinterpret_cast<Slot*>(bytes.data() + sizeof(Header) + index * sizeof(Slot));
}
size_t SlotCount(size_t bytes) { return (bytes - sizeof(Header)) / sizeof(Slot); }

void Store(uint64_t& field, uint64_t value) {
  std::atomic_ref(field).store(value, std::memory_order_release);
}

uint64_t Load(std::span<const std::byte> bytes, size_t offset) {
  // Memory that is mapped read-only: a load of this size never writes.
  auto* field = reinterpret_cast<uint64_t*>(const_cast<std::byte*>(bytes.data() + offset));
  return std::atomic_ref(*field).load(std::memory_order_acquire);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ExecutingPage>> ExecutingPage::Create(size_t calls) {
  const size_t bytes = sizeof(Header) + std::min(calls, kMaxSlots) * sizeof(Slot);
  ASSIGN_OR_RETURN(shm::OwnedSegment segment,
                   shm::OwnedSegment::Create((bytes + kPageBytes - 1) / kPageBytes * kPageBytes,
                                             "executing-calls"));
  return std::unique_ptr<ExecutingPage>(new ExecutingPage(std::move(segment)));
}

ExecutingPage::ExecutingPage(shm::OwnedSegment segment) : segment_(std::move(segment)) {
  const size_t slots = SlotCount(segment_.bytes().size());
  for (size_t i = 0; i < slots; ++i) free_slots_.push_back(static_cast<uint32_t>(slots - 1 - i));
}

ExecutingPage::Listing ExecutingPage::List(std::span<const ExecutingCall> calls, Trial trial) {
  Listing listing(*this, trial);
  const absl::MutexLock lock(&mutex_);
  if (trial == Trial::kYes) std::atomic_ref(HeaderOf(segment_.bytes()).trials).fetch_add(1);
  listed_ += calls.size();
  for (const ExecutingCall& call : calls) {
    if (free_slots_.empty()) {
      ++listing.unlisted_;
      std::atomic_ref(HeaderOf(segment_.bytes()).unlisted).fetch_add(1);
      continue;
    }
    const uint32_t index = free_slots_.back();
    free_slots_.pop_back();
    listing.slots_.push_back(index);
    Slot& slot = SlotOf(segment_.bytes(), index);
    Store(slot.call, call.call);
    Store(slot.session, call.session);
  }
  return listing;
}

ExecutingPage::Listing::Listing(Listing&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)),
      trial_(other.trial_),
      slots_(std::move(other.slots_)),
      unlisted_(other.unlisted_) {}

ExecutingPage::Listing::~Listing() {
  if (page_ == nullptr) return;
  const absl::MutexLock lock(&page_->mutex_);
  const std::span<std::byte> bytes = page_->segment_.bytes();
  page_->listed_ -= slots_.size() + unlisted_;
  if (unlisted_ > 0) std::atomic_ref(HeaderOf(bytes).unlisted).fetch_sub(unlisted_);
  for (const uint32_t index : slots_) {
    Store(SlotOf(bytes, index).session, 0);
    page_->free_slots_.push_back(index);
  }
  if (trial_ == Trial::kYes) std::atomic_ref(HeaderOf(bytes).trials).fetch_sub(1);
}

void ExecutingPage::RecordFault(uint32_t cause) { Store(HeaderOf(segment_.bytes()).fault, cause); }

bool ExecutingPage::executing() const {
  const absl::MutexLock lock(&mutex_);
  return listed_ > 0;
}

absl::StatusOr<ExecutingPageView> ExecutingPageView::Create(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(Header) + sizeof(Slot)) {
    return absl::InvalidArgumentError("a page of executing calls that is too small for one");
  }
  return ExecutingPageView(bytes);
}

uint32_t ExecutingPageView::fault() const {
  return static_cast<uint32_t>(Load(bytes_, offsetof(Header, fault)));
}

bool ExecutingPageView::ListsTrial() const { return Load(bytes_, offsetof(Header, trials)) > 0; }

bool ExecutingPageView::Lists(const ExecutingCall& call) const {
  if (Load(bytes_, offsetof(Header, unlisted)) > 0) return true;
  for (size_t i = 0; i < SlotCount(bytes_.size()); ++i) {
    const size_t at = sizeof(Header) + i * sizeof(Slot);
    if (Load(bytes_, at + offsetof(Slot, session)) == call.session &&
        Load(bytes_, at + offsetof(Slot, call)) == call.call) {
      return true;
    }
  }
  return false;
}

}  // namespace tiffin::session
