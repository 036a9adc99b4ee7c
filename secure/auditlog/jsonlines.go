// Package auditlog takes security events to where they are kept.
package auditlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// JSONLines is an audit.Sink that appends each event to a file, as one JSON
// object on a line of its own:
//
//	{"seq":1,"time":"2026-11-22T10:00:00.123Z","severity":"alarm","id":"IEC62351-4:1.8",
//	 "mnemonic":"…","peer":"…","subject":"…","roles":["1:1:IEC62351-8"],"text":"…"}
//
// time is UTC; seq counts the events of one opening from 1; a role is
// roleID:revision:roleDefinition; what is empty is left out. Each line is
// handed to the system in one write, so that several processes may append to
// one file.
type JSONLines struct {
	onFailure func(error)

	mu   sync.Mutex
	file io.WriteCloser // nil once closed
	seq  uint64
	torn bool // a failed write left part of a line
}

// OpenJSONLines opens the file, or makes it with mode 0600, to append to. It
// refuses a file that group or others may write. onFailure is called for each
// event that cannot be written, on the goroutine that reports the event, and
// must not report one itself.
func OpenJSONLines(path string, onFailure func(error)) (*JSONLines, error) {
	if onFailure == nil {
		return nil, errors.New("opening the audit log: nobody hears of its failures")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	if err := prepare(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("opening the audit log %s: %w", path, err)
	}
	return &JSONLines{file: f, onFailure: onFailure}, nil
}

// prepare checks who may write the file, and ends the line that a crash left
// unfinished.
func prepare(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// Windows keeps access lists that the mode does not show.
	if mode := info.Mode().Perm(); mode&0o022 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("others may write it (mode %04o): run chmod 600 %s", mode, f.Name())
	}
	if !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = f.Write([]byte{'\n'})
	}
	return err
}

type line struct {
	Seq      uint64   `json:"seq"`
	Time     string   `json:"time"`
	Severity string   `json:"severity"`
	ID       audit.ID `json:"id"`
	Mnemonic string   `json:"mnemonic"`
	Peer     string   `json:"peer,omitempty"`
	Subject  string   `json:"subject,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	Text     string   `json:"text,omitempty"`
}

// Record appends the event.
func (l *JSONLines) Record(e audit.Event) {
	if err := l.append(e); err != nil {
		l.onFailure(fmt.Errorf("writing the audit event %s (%s): %w", e.ID, e.Text, err))
	}
}

func (l *JSONLines) append(e audit.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return fs.ErrClosed
	}
	var out bytes.Buffer
	if l.torn {
		out.WriteByte('\n')
	}
	enc := json.NewEncoder(&out) // ends with a line feed, and escapes those in texts
	enc.SetEscapeHTML(false)
	err := enc.Encode(line{
		Seq:      l.seq + 1,
		Time:     e.Time.UTC().Format(time.RFC3339Nano),
		Severity: e.Severity().String(),
		ID:       e.ID,
		Mnemonic: e.ID.Mnemonic(),
		Peer:     e.Peer,
		Subject:  e.Subject,
		Roles:    roles(e.Roles),
		Text:     e.Text,
	})
	if err != nil {
		return err
	}
	l.seq++ // of an event that cannot be written, too: the gap shows that one is missing
	n, err := l.file.Write(out.Bytes())
	l.torn = err != nil && (n > 0 || l.torn)
	return err
}

func roles(grants []rbac.Grant) []string {
	var texts []string
	for _, g := range grants {
		texts = append(texts, fmt.Sprintf("%d:%d:%s", g.Role, g.Revision, g.Definition))
	}
	return texts
}

// Close closes the file. What is recorded afterwards fails.
func (l *JSONLines) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
