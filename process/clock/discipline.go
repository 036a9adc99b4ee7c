package clock

import (
	"slices"
	"time"

	"busbar.example/acsi"
)

const (
	minPoll = 15 * time.Second       // RFC 4330, Section 10
	maxSlew = 128 * time.Millisecond // what is more is a step. RFC 5905, Section 11.3
	slewing = 2000                   // a slew takes so many times its length: 500 parts in a million
	drift   = 20_000                 // a clock that nobody corrects may go wrong by one part in so many
	agreed  = 3                      // answers in succession that a step takes
)

// sample is what one server says: how far its time is ahead of ours, and how far that may be wrong.
type sample struct {
	server  string
	stratum int
	offset  time.Duration
	wrong   time.Duration
}

// discipline keeps the offset that is added to the host's time: as a machine, which is told that time.
//
//	             a sample that fits          no sample for Holdover
//	unsynced ──────────────────────► synced ────────────────────────► unsynced
//	                                   │ ▲
//	          a sample that is far off │ │ one that fits, or the third in
//	                                   ▼ │ succession that agree: a step
//	                                 doubting
//
// While it doubts, it keeps its time, and Holdover runs.
type discipline struct {
	holdover time.Duration

	started bool          // there was a sample
	target  time.Duration // the offset to come to
	from    time.Duration // the offset at since
	since   time.Time     // when the last sample was taken in

	wrong    time.Duration // how far target may be wrong at since
	server   string
	stratum  int
	steps    int      // steps so far
	doubted  []sample // far off, in succession
	disputed bool     // the servers do not agree
}

// offset is what to add to the host's time at now. It comes to its target slowly, so that no time is told twice.
func (d *discipline) offset(now time.Time) time.Duration {
	left := d.target - d.from
	if elapsed := now.Sub(d.since); elapsed < left.Abs()*slewing {
		left = elapsed / slewing * time.Duration(sign(left))
	}
	return d.from + left
}

func sign(d time.Duration) int {
	if d < 0 {
		return -1
	}
	return 1
}

// quality is that of the time at now.
func (d *discipline) quality(now time.Time) acsi.TimeQuality {
	if !d.synchronized(now) {
		return unknown
	}
	return qualityOf(d.wrong + now.Sub(d.since)/drift + (d.target - d.offset(now)).Abs())
}

func (d *discipline) synchronized(now time.Time) bool {
	return d.started && now.Sub(d.since) < d.holdover
}

// take takes in what the servers have said at now, each at most once. It reports whether that was of use.
func (d *discipline) take(now time.Time, samples []sample) bool {
	best, ok := choose(samples)
	d.disputed = !ok && len(samples) > 0
	if !ok {
		return false
	}
	if !d.started {
		d.become(now, best, best.offset)
		return true
	}
	if off := best.offset - d.offset(now); off.Abs() <= maxSlew {
		d.become(now, best, d.offset(now))
		return true
	}
	if n := len(d.doubted); n > 0 && (d.doubted[n-1].offset-best.offset).Abs() > maxSlew {
		d.doubted = nil
	}
	if d.doubted = append(d.doubted, best); len(d.doubted) < agreed {
		return false
	}
	d.steps++
	d.become(now, best, best.offset)
	return true
}

// become makes s what the time is of, beginning with an offset of from.
func (d *discipline) become(now time.Time, s sample, from time.Duration) {
	d.started, d.doubted = true, nil
	d.target, d.from, d.since, d.wrong = s.offset, from, now, s.wrong
	d.server, d.stratum = s.server, s.stratum
}

// choose is the best of the samples that more than half of them agree with; ok is false where there are none such.
func choose(samples []sample) (best sample, ok bool) {
	sorted := slices.Clone(samples)
	slices.SortFunc(sorted, func(a, b sample) int { return int(max(-1, min(1, a.offset-b.offset))) })
	first, most := 0, 0
	for i := range sorted {
		n := i
		for n < len(sorted) && sorted[n].offset-sorted[i].offset <= maxSlew {
			n++
		}
		if n-i > most {
			first, most = i, n-i
		}
	}
	if 2*most <= len(sorted) {
		return sample{}, false
	}
	return slices.MinFunc(sorted[first:first+most], func(a, b sample) int { return int(max(-1, min(1, a.wrong-b.wrong))) }), true
}
