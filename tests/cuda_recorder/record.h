// What all recording libraries share: the record and the settings.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#define EXPORT extern "C" __attribute__((visibility("default")))

// The number in an environment variable.
inline long setting(const char* name, long otherwise) {
    const char* text = std::getenv(name);
    return text ? std::atol(text) : otherwise;
}

inline size_t device_memory() { return static_cast<size_t>(setting("RECORDER_MEMORY_MIB", 81920)) << 20; }

inline int compute_capability() { return static_cast<int>(setting("RECORDER_CAPABILITY", 90)); }

constexpr int MAX_DEVICES = 8;

inline int device_count() {
    long devices = setting("RECORDER_DEVICES", 1);
    return static_cast<int>(devices < MAX_DEVICES ? devices : MAX_DEVICES);
}

// The end of a line about a device; nothing for the first.
inline const char* on(int device) {
    static const char* const ends[MAX_DEVICES] = {"", " on 1", " on 2", " on 3", " on 4", " on 5", " on 6", " on 7"};
    return ends[device];
}

// Appends a line to the record. A short append is atomic, so the libraries and threads share the file.
__attribute__((format(printf, 1, 2))) inline void record(const char* format, ...) {
    static const int file = [] {
        const char* path = std::getenv("RECORDER_LOG");
        return path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    }();
    if (file < 0) return;
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (length < 0) return;
    if (length > static_cast<int>(sizeof line) - 2) length = sizeof line - 2;
    line[length++] = '\n';
    if (write(file, line, length) < 0) std::abort();
}
