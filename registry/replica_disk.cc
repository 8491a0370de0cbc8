// What stands between a replica and its disk: jobs of two lanes, one in flight
// on each.
#include <algorithm>
#include <utility>

#include "raft/check.h"
#include "registry/replica.h"

namespace registry {

// Group commit: one job at a time, and everything that queued up behind it is
// the next one, with one sync for all.
void Replica::SubmitWal() {
  if (wal_job_ != 0) return;
  if (release_through_ > raft::Index(0)) return SubmitRelease();
  if (persists_.empty()) return;
  wal_job_ = ++last_job_;
  wal_token_ = persists_.back().token;
  ++counters_.syncs;
  counters_.wal_records += persists_.size();
  for (const raft::Persist& persist : persists_) {
    counters_.wal_entries += persist.entries.size();
  }
  ports_.disk->Submit(
      DiskLane::kWal, wal_job_,
      [storage = storage_, batch = std::exchange(persists_, {})] {
        return storage->Append(batch);
      });
}

// Before what waits to be appended: under load something always does.
void Replica::SubmitRelease() {
  wal_job_ = ++last_job_;
  wal_token_ = raft::PersistToken(0);
  ++counters_.log_releases;
  ports_.disk->Submit(
      DiskLane::kWal, wal_job_,
      [storage = storage_,
       through = std::exchange(release_through_, raft::Index(0))] {
        return storage->Release(through);
      });
}

void Replica::SubmitBulk() {
  if (bulk_job_ != 0 || bulk_.empty()) return;
  bulk_job_ = ++last_job_;
  ++counters_.bulk_jobs;
  bulk_result_ = std::make_shared<BulkResult>(BulkResult{.asked_at = now_});
  ports_.disk->Submit(DiskLane::kBulk, bulk_job_,
                      [worker = worker_, result = bulk_result_,
                       work = std::move(bulk_.front())] {
                        return worker->Do(work, result.get());
                      });
  bulk_.pop_front();
}

void Replica::OnDiskDone(uint64_t job, absl::Status status) {
  if (halted()) return;
  if (job == bulk_job_) {
    return OnBulkDone(job, std::move(status), std::move(*bulk_result_));
  }
  if (trace_) trace_->DiskDone(job, status);
  CHECK(wal_job_ != 0);
  CHECK_EQ(job, wal_job_);
  wal_job_ = 0;
  if (wal_token_ == raft::PersistToken(0)) {
    // The log is as good as it was; the next snapshot tries again.
    if (!status.ok()) ++counters_.log_releases_failed;
    return;
  }
  if (!status.ok()) {
    Halt("the log could not be written: " + status.ToString());
    return;
  }
  Step(raft::PersistDone{wal_token_});
}

void Replica::OnBulkDone(uint64_t job, absl::Status status, BulkResult result) {
  if (halted()) return;
  if (trace_) trace_->BulkDone(job, status, result);
  CHECK(bulk_job_ != 0);
  CHECK_EQ(job, bulk_job_);
  bulk_job_ = 0;
  bulk_result_.reset();
  if (!status.ok()) {
    Halt("a snapshot could not be written: " + status.ToString());
    return;
  }
  if (result.event.has_value()) Step(*result.event);
}

}  // namespace registry
