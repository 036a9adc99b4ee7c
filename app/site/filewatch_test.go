package site

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFileWatch(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	now := time.Now()
	write := func(name, text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, now, now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	write(a, "1", time.Hour)
	var w fileWatch
	w.follow([]string{a, b}, now)
	look := func(what string, want ...bool) {
		t.Helper()
		for i, want := range want {
			now = now.Add(pollEvery)
			if got := w.changed(now); got != want {
				t.Errorf("%s: look %d says %t, want %t", what, i+1, got, want)
			}
		}
	}
	look("nothing has changed", false, false)
	write(a, "1", 0)
	look("it was written again as it was", false, false)
	write(a, "2", 0)
	look("it has changed, and is acted upon once it is steady", false, true, true)
	w.mark(now)
	look("it was acted upon", false, false)
	write(a, "3", 0)
	look("it is being written", false)
	write(a, "34", 0)
	look("it still is", false, true)
	w.mark(now)
	write(a, "35", 0)
	look("as large as before, at the same time", false, true)
	w.mark(now)
	write(b, "new", 0)
	look("a file has come", false, true)
	w.mark(now)
	if err := os.Remove(a); err != nil {
		t.Fatal(err)
	}
	look("a file has gone", false, true)
	write(a, "35", 0)
	look("and has come back as it was before", false, false)
	write(c, "1", 0)
	w.follow([]string{a, c}, now)
	look("others are followed", false, false)
	write(b, "of no concern any more", 0)
	look("what is not followed", false, false)
	write(c, "2", 0)
	look("one of the others", false, true)
}
