// For tests: an SQLite VFS named "fault" over the default one, whose writes and syncs fail when told to, and which can say what would
// be on disk if the power went now: what was synced, and of what was written since, any part.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/rng.h"

namespace firesteel {

class FaultVfs {
 public:
  enum class Fault { kFull, kWriteError, kTornWrite, kSyncError, kReadOnly };

  static FaultVfs& instance() {
    static FaultVfs vfs;
    return vfs;
  }

  // Calls that change files are counted from now on; number `first` (1-based) and the n_failing - 1 after it fail.
  void fail_at(int64_t first, int64_t n_failing, Fault fault) {
    MutexLock lock(mutex_);
    n_calls_ = 0;
    first_ = first;
    n_failing_ = n_failing;
    fault_ = fault;
  }
  void heal() { fail_at(0, 0, Fault::kFull); }
  int64_t n_calls() {
    MutexLock lock(mutex_);
    return n_calls_;
  }

  // Starts to record; forgets what was recorded before.
  void record() {
    MutexLock lock(mutex_);
    recording_ = true;
    disk_.clear();
  }
  // Content of every file (by full path) after a power cut at this moment.
  std::map<std::string, std::string> cut_power(Rng* rng) {
    MutexLock lock(mutex_);
    recording_ = false;
    std::map<std::string, std::string> files;
    for (const auto& [path, image] : disk_) {
      std::string content = image.synced;
      for (const Write& write : image.unsynced) apply_part(write, rng, &content);
      files[path] = std::move(content);
    }
    return files;
  }

 private:
  struct Write {
    int64_t offset;
    std::string bytes;
    bool truncate;
  };
  struct Image {
    std::string synced;
    std::vector<Write> unsynced;
  };
  struct File {
    sqlite3_file base;
    sqlite3_file* real;
    std::string* path;  // null for temporary files
  };

  static constexpr size_t kSector = 512;

  // A disk takes any subset of the sectors of what was not synced, in any order.
  static void apply_part(const Write& write, Rng* rng, std::string* content) {
    if (write.truncate) {
      if (rng->below(2) == 0) content->resize(static_cast<size_t>(write.offset));
      return;
    }
    const uint64_t how = rng->below(3);  // all, nothing, some sectors
    for (size_t at = 0; at < write.bytes.size(); at += kSector) {
      if (how == 1 || (how == 2 && rng->below(2) == 0)) continue;
      put(write.offset + static_cast<int64_t>(at), write.bytes.substr(at, kSector), content);
    }
  }
  static void put(int64_t offset, const std::string& bytes, std::string* content) {
    const auto begin = static_cast<size_t>(offset);
    if (content->size() < begin + bytes.size()) content->resize(begin + bytes.size());
    std::copy(bytes.begin(), bytes.end(), content->begin() + static_cast<std::ptrdiff_t>(begin));
  }

  FaultVfs() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
    vfs_.zName = "fault";
    vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
    vfs_.xOpen = &open;
    vfs_.xDelete = &remove;
    sqlite3_vfs_register(&vfs_, 0);
    methods_ = {.iVersion = 2, .xClose = &close, .xRead = &read, .xWrite = &write, .xTruncate = &truncate, .xSync = &sync,
                .xFileSize = [](sqlite3_file* f, sqlite3_int64* n) { return of(f)->pMethods->xFileSize(of(f), n); },
                .xLock = [](sqlite3_file* f, int l) { return of(f)->pMethods->xLock(of(f), l); },
                .xUnlock = [](sqlite3_file* f, int l) { return of(f)->pMethods->xUnlock(of(f), l); },
                .xCheckReservedLock = [](sqlite3_file* f, int* r) { return of(f)->pMethods->xCheckReservedLock(of(f), r); },
                .xFileControl = [](sqlite3_file* f, int op, void* arg) { return of(f)->pMethods->xFileControl(of(f), op, arg); },
                .xSectorSize = [](sqlite3_file*) { return static_cast<int>(kSector); },
                .xDeviceCharacteristics = [](sqlite3_file*) { return 0; },
                .xShmMap = [](sqlite3_file* f, int p, int s, int e, void volatile** m) { return of(f)->pMethods->xShmMap(of(f), p, s, e, m); },
                .xShmLock = [](sqlite3_file* f, int o, int n, int l) { return of(f)->pMethods->xShmLock(of(f), o, n, l); },
                .xShmBarrier = [](sqlite3_file* f) { of(f)->pMethods->xShmBarrier(of(f)); },
                .xShmUnmap = [](sqlite3_file* f, int d) { return of(f)->pMethods->xShmUnmap(of(f), d); },
                .xFetch = nullptr, .xUnfetch = nullptr};
  }

  static sqlite3_file* of(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

  // SQLITE_OK, or the code that this call is to fail with.
  int next_call(bool is_sync) {
    MutexLock lock(mutex_);
    ++n_calls_;
    if (first_ == 0 || n_calls_ < first_ || n_calls_ >= first_ + n_failing_) return SQLITE_OK;
    switch (fault_) {
      case Fault::kFull: return is_sync ? SQLITE_OK : SQLITE_FULL;
      case Fault::kReadOnly: return is_sync ? SQLITE_OK : SQLITE_IOERR_WRITE;
      case Fault::kWriteError: return is_sync ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
      case Fault::kTornWrite: return is_sync ? SQLITE_OK : SQLITE_IOERR_WRITE;
      case Fault::kSyncError: return is_sync ? SQLITE_IOERR_FSYNC : SQLITE_OK;
    }
    return SQLITE_OK;
  }
  bool tears() {
    MutexLock lock(mutex_);
    return fault_ == Fault::kTornWrite;
  }
  void note(const std::string* path, Write write) {
    MutexLock lock(mutex_);
    if (recording_ && path != nullptr) disk_[*path].unsynced.push_back(std::move(write));
  }

  static int open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
    FaultVfs& self = instance();
    auto* const wrapped = reinterpret_cast<File*>(file);
    wrapped->real = reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(file) + sizeof(File));
    wrapped->path = name != nullptr ? new std::string(name) : nullptr;
    const int code = self.real_->xOpen(self.real_, name, wrapped->real, flags, out_flags);
    wrapped->base.pMethods = wrapped->real->pMethods != nullptr ? &self.methods_ : nullptr;
    if (wrapped->base.pMethods == nullptr) delete wrapped->path;
    return code;
  }
  static int close(sqlite3_file* file) {
    auto* const wrapped = reinterpret_cast<File*>(file);
    const int code = wrapped->real->pMethods->xClose(wrapped->real);
    delete wrapped->path;
    return code;
  }
  // Taken as lasting: the store syncs the folder after it was made, and later there is no rollback journal.
  static int remove(sqlite3_vfs*, const char* name, int sync_folder) {
    FaultVfs& self = instance();
    {
      MutexLock lock(self.mutex_);
      self.disk_.erase(name);
    }
    return self.real_->xDelete(self.real_, name, sync_folder);
  }
  static int read(sqlite3_file* file, void* bytes, int n, sqlite3_int64 offset) { return of(file)->pMethods->xRead(of(file), bytes, n, offset); }
  static int write(sqlite3_file* file, const void* bytes, int n, sqlite3_int64 offset) {
    FaultVfs& self = instance();
    if (const int code = self.next_call(false); code != SQLITE_OK) {
      if (self.tears() && n > 1) static_cast<void>(of(file)->pMethods->xWrite(of(file), bytes, n / 2, offset));
      return code;
    }
    self.note(reinterpret_cast<File*>(file)->path, {offset, std::string(static_cast<const char*>(bytes), static_cast<size_t>(n)), false});
    return of(file)->pMethods->xWrite(of(file), bytes, n, offset);
  }
  static int truncate(sqlite3_file* file, sqlite3_int64 size) {
    FaultVfs& self = instance();
    if (const int code = self.next_call(false); code != SQLITE_OK) return code == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_TRUNCATE;
    self.note(reinterpret_cast<File*>(file)->path, {size, {}, true});
    return of(file)->pMethods->xTruncate(of(file), size);
  }
  static int sync(sqlite3_file* file, int flags) {
    FaultVfs& self = instance();
    if (const int code = self.next_call(true); code != SQLITE_OK) return code;
    const std::string* const path = reinterpret_cast<File*>(file)->path;
    if (path != nullptr) {
      MutexLock lock(self.mutex_);
      if (self.recording_) {
        Image& image = self.disk_[*path];
        for (const Write& write : image.unsynced) {
          if (write.truncate) image.synced.resize(static_cast<size_t>(write.offset));
          else put(write.offset, write.bytes, &image.synced);
        }
        image.unsynced.clear();
      }
    }
    return of(file)->pMethods->xSync(of(file), flags);
  }

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  sqlite3_io_methods methods_{};
  Mutex mutex_;
  int64_t n_calls_ FS_GUARDED_BY(mutex_) = 0;
  int64_t first_ FS_GUARDED_BY(mutex_) = 0;
  int64_t n_failing_ FS_GUARDED_BY(mutex_) = 0;
  Fault fault_ FS_GUARDED_BY(mutex_) = Fault::kFull;
  bool recording_ FS_GUARDED_BY(mutex_) = false;
  std::map<std::string, Image> disk_ FS_GUARDED_BY(mutex_);
};

}  // namespace firesteel
