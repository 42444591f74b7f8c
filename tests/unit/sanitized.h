#pragma once

namespace tiffin {

// Built with a sanitizer, whose own handlers end a process in another way.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Built with UndefinedBehaviorSanitizer, which comes with AddressSanitizer here: what checks that
// an object is of the type of a virtual call opens a pipe, so that where there are no descriptors
// it takes every object for a wrong one.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kChecksNeedDescriptors = true;
#else
inline constexpr bool kChecksNeedDescriptors = false;
#endif

}  // namespace tiffin
