package site

import (
	"crypto/sha256"
	"maps"
	"os"
	"time"
)

// pollEvery is how often the files of what runs are looked at.
const pollEvery = 2 * time.Second

// A fileWatch notices when the content of files has changed. It looks when it is asked to: nothing else works on every
// file system. It belongs to one goroutine.
type fileWatch struct {
	acted map[string]stamp // what was acted upon, by name
	last  map[string]stamp // what the last look found
}

// stamp is what a file is known by.
type stamp struct {
	sum   [sha256.Size]byte // of its content; zero where it cannot be read
	size  int64
	mtime time.Time
}

// settled is how old a change must be for a file of the same size and time to be the same: clocks of file systems are coarse.
const settled = 3 * time.Second

// follow has certain files watched, and no others. Those that were not yet count as acted upon as they are.
func (w *fileWatch) follow(names []string, now time.Time) {
	next := make(map[string]stamp, len(names))
	for _, name := range names {
		known := false
		if next[name], known = w.acted[name]; !known {
			next[name] = look(name, stamp{}, now)
		}
	}
	w.acted, w.last = next, next
}

// mark says that what the files hold now is acted upon.
func (w *fileWatch) mark(now time.Time) {
	w.last = w.look(now)
	w.acted = w.last
}

// changed returns whether the content of a file is another than that which was acted upon, and was so when it was asked
// before: what is being written is left alone until it is whole.
func (w *fileWatch) changed(now time.Time) bool {
	found := w.look(now)
	steady := same(found, w.last)
	w.last = found
	return steady && !same(found, w.acted)
}

func (w *fileWatch) look(now time.Time) map[string]stamp {
	found := make(map[string]stamp, len(w.acted))
	for name := range w.acted {
		found[name] = look(name, w.last[name], now)
	}
	return found
}

// look returns what a file is known by now; before is what it was known by at the last look.
func look(name string, before stamp, now time.Time) stamp {
	info, err := os.Stat(name)
	if err != nil {
		return stamp{}
	}
	s := stamp{size: info.Size(), mtime: info.ModTime()}
	if before.size == s.size && before.mtime.Equal(s.mtime) && now.Sub(s.mtime) > settled {
		return before
	}
	if text, err := os.ReadFile(name); err == nil {
		s.sum = sha256.Sum256(text)
	}
	return s
}

// same reports whether files have the same content.
func same(a, b map[string]stamp) bool {
	return maps.EqualFunc(a, b, func(a, b stamp) bool { return a.sum == b.sum })
}
