// Tells ThreadSanitizer about Abseil's locks. Debian's Abseil is not built with it, and locks by
// instructions that it does not see; without this it would take everything that is guarded by an
// absl::Mutex for a race. Linked into tests built with ThreadSanitizer only. The definitions here
// come before those of the shared library, for gRPC's calls too, and call these.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>
#include <type_traits>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace {

// The library's own functions call one another: only the outermost is told.
thread_local int depth = 0;

class Outermost {
 public:
  Outermost() : outermost_(depth++ == 0) {}
  ~Outermost() { --depth; }
  Outermost(const Outermost&) = delete;
  Outermost& operator=(const Outermost&) = delete;
  explicit operator bool() const { return outermost_; }

 private:
  const bool outermost_;
};

template <typename Function>
Function* Next(const char* symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) {
    std::fprintf(stderr, "no %s: is this another version of Abseil?\n", symbol);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

// What Abseil itself tells when it is built with ThreadSanitizer. What happens between the two
// marks of one operation, conditions that are asked included, is not looked at.
template <typename Call>
auto Locking(absl::Mutex* mutex, unsigned flags, const Call& call) {
  const Outermost outermost;
  if (outermost) __tsan_mutex_pre_lock(mutex, flags);
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    if (outermost) __tsan_mutex_post_lock(mutex, flags, 0);
  } else {
    const auto result = call();
    const bool is_try = (flags & __tsan_mutex_try_lock) != 0;
    const unsigned failed = is_try && !result ? __tsan_mutex_try_lock_failed : 0;
    if (outermost) __tsan_mutex_post_lock(mutex, flags | failed, 0);
    return result;
  }
}

template <typename Call>
void Unlocking(absl::Mutex* mutex, unsigned flags, const Call& call) {
  const Outermost outermost;
  if (outermost) __tsan_mutex_pre_unlock(mutex, flags);
  call();
  if (outermost) __tsan_mutex_post_unlock(mutex, flags);
}

// Gives the lock back, waits, and takes it again.
template <typename Call>
auto Waiting(absl::Mutex* mutex, const Call& call) {
  const Outermost outermost;
  const auto taken_again = [&] {
    if (!outermost) return;
    __tsan_mutex_post_unlock(mutex, 0);
    __tsan_mutex_pre_lock(mutex, 0);
    __tsan_mutex_post_lock(mutex, 0, 0);
  };
  if (outermost) __tsan_mutex_pre_unlock(mutex, 0);
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    taken_again();
  } else {
    const auto result = call();
    taken_again();
    return result;
  }
}

}  // namespace

namespace absl {

void Mutex::Lock() {
  static auto* const next = Next<void(Mutex*)>("_ZN4absl7debian35Mutex4LockEv");
  Locking(this, 0, [&] { next(this); });
}
void Mutex::Unlock() {
  static auto* const next = Next<void(Mutex*)>("_ZN4absl7debian35Mutex6UnlockEv");
  Unlocking(this, 0, [&] { next(this); });
}
bool Mutex::TryLock() {
  static auto* const next = Next<bool(Mutex*)>("_ZN4absl7debian35Mutex7TryLockEv");
  return Locking(this, __tsan_mutex_try_lock, [&] { return next(this); });
}
void Mutex::ReaderLock() {
  static auto* const next = Next<void(Mutex*)>("_ZN4absl7debian35Mutex10ReaderLockEv");
  Locking(this, __tsan_mutex_read_lock, [&] { next(this); });
}
void Mutex::ReaderUnlock() {
  static auto* const next = Next<void(Mutex*)>("_ZN4absl7debian35Mutex12ReaderUnlockEv");
  Unlocking(this, __tsan_mutex_read_lock, [&] { next(this); });
}
void Mutex::LockWhen(const Condition& condition) {
  static auto* const next =
      Next<void(Mutex*, const Condition&)>("_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE");
  Locking(this, 0, [&] { next(this, condition); });
}
bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Duration)>(
      "_ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Locking(this, 0, [&] { return next(this, condition, timeout); });
}
bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>(
      "_ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Locking(this, 0, [&] { return next(this, condition, deadline); });
}
void Mutex::Await(const Condition& condition) {
  static auto* const next =
      Next<void(Mutex*, const Condition&)>("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
  Waiting(this, [&] { next(this, condition); });
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Duration)>(
      "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  return Waiting(this, [&] { return next(this, condition, timeout); });
}
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>(
      "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  return Waiting(this, [&] { return next(this, condition, deadline); });
}
void CondVar::Wait(Mutex* mutex) {
  static auto* const next =
      Next<void(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  Waiting(mutex, [&] { next(this, mutex); });
}
bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static auto* const next = Next<bool(CondVar*, Mutex*, Duration)>(
      "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  return Waiting(mutex, [&] { return next(this, mutex, timeout); });
}
bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static auto* const next = Next<bool(CondVar*, Mutex*, Time)>(
      "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  return Waiting(mutex, [&] { return next(this, mutex, deadline); });
}
void Notification::Notify() {
  static auto* const next = Next<void(Notification*)>("_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(this);
  next(this);
}
void Notification::WaitForNotification() const {
  static auto* const next =
      Next<void(const Notification*)>("_ZNK4absl7debian312Notification19WaitForNotificationEv");
  next(this);
  __tsan_acquire(const_cast<Notification*>(this));
}
bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* const next = Next<bool(const Notification*, Duration)>(
      "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool notified = next(this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

}  // namespace absl
