package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
	"github.com/google/go-cmp/cmp"
)

// cabinet is an IED with a log, files, data sets and settings. It notes what it is asked to do.
type cabinet struct {
	acsi.UnimplementedServices
	log    []acsi.LogEntry
	page   int // entries of an answer
	repeat bool
	files  map[string]string
	size   int // that a file is said to have beyond what it has
	said   []string
	refuse string // what is refused
}

func (c *cabinet) GetServerDirectory(context.Context) ([]string, error) {
	return []string{"A", "B"}, nil
}

func (c *cabinet) GetLogicalDeviceDirectory(_ context.Context, ld string) ([]string, error) {
	return []string{"LLN0", "MMXU1"}, nil
}

func (c *cabinet) GetDataSets(_ context.Context, ln acsi.Ref) ([]string, error) {
	switch {
	case ln.IsZero():
		return []string{"mine"}, nil
	case ln.LN() == "LLN0":
		return []string{"events", "values"}, nil
	}
	return nil, nil
}

func (c *cabinet) GetLogs(_ context.Context, ln acsi.Ref) ([]string, error) {
	if ln.LN() == "LLN0" {
		return []string{"log"}, nil
	}
	return nil, nil
}

func (c *cabinet) pageOf(entries []acsi.LogEntry) ([]acsi.LogEntry, bool, error) {
	if len(entries) > c.page {
		return entries[:c.page], true, nil
	}
	return entries, false, nil
}

func (c *cabinet) QueryLogByTime(_ context.Context, _ acsi.Ref, from, to time.Time) ([]acsi.LogEntry, bool, error) {
	var found []acsi.LogEntry
	for _, e := range c.log {
		if !e.Time.Before(from) && (to.IsZero() || !e.Time.After(to)) {
			found = append(found, e)
		}
	}
	return c.pageOf(found)
}

func (c *cabinet) QueryLogAfter(_ context.Context, _ acsi.Ref, _ time.Time, after acsi.EntryID) ([]acsi.LogEntry, bool, error) {
	at := int(after.Number())
	if c.repeat {
		at--
	}
	return c.pageOf(c.log[at:])
}

func (c *cabinet) GetFiles(context.Context, string) ([]acsi.File, error) {
	return []acsi.File{{Name: "COMTRADE/"}}, nil
}

func (c *cabinet) OpenFile(_ context.Context, name string, offset uint32) (io.ReadCloser, acsi.File, error) {
	content, ok := c.files[name]
	if !ok {
		return nil, acsi.File{}, acsi.Errorf(acsi.ObjectNonExistent, "no %s", name)
	}
	return io.NopCloser(strings.NewReader(content[offset:])), acsi.File{Name: name, Size: uint32(len(content) + c.size)}, nil
}

func (c *cabinet) SetFile(_ context.Context, name string, r io.Reader) error {
	if sized, ok := r.(interface{ Len() int }); !ok || sized.Len() != len("new") {
		return fmt.Errorf("the IED is not told that %q has 3 octets", name)
	}
	content, err := io.ReadAll(r)
	c.files[name] = string(content)
	return err
}

func (c *cabinet) DeleteFile(_ context.Context, name string) error {
	delete(c.files, name)
	return nil
}

func (c *cabinet) SetDataValues(_ context.Context, assignments []acsi.Assignment) ([]error, error) {
	errs := make([]error, len(assignments))
	for i, a := range assignments {
		c.said = append(c.said, fmt.Sprintf("%s=%v", a.Ref, a.Value))
		if a.Ref.Name() == c.refuse {
			errs[i] = acsi.Errorf(acsi.ObjectValueInvalid, "no")
		}
	}
	return errs, nil
}

// Conformance: cDs.
func TestDataSetsAndLogsAreListed(t *testing.T) {
	c := New(&cabinet{})
	for _, test := range []struct {
		ref, want string
	}{
		{"", "A/LLN0.events A/LLN0.values B/LLN0.events B/LLN0.values @mine"},
		{"B", "B/LLN0.events B/LLN0.values"},
		{"A/MMXU1", ""},
	} {
		var ref acsi.Ref
		if test.ref != "" {
			ref = acsi.MustRef(test.ref)
		}
		sets, err := c.DataSets(bg, ref)
		if got := join(sets); err != nil || got != test.want {
			t.Errorf("data sets of %q: got %s, %v, want %s", test.ref, got, err, test.want)
		}
	}
	logs, err := c.Logs(bg, acsi.Ref{})
	if got := join(logs); err != nil || got != "A/LLN0.log B/LLN0.log" {
		t.Errorf("logs: %s, %v", got, err)
	}
	if _, err := c.DataSets(bg, acsi.MustRef("A/LLN0.Mod")); err == nil {
		t.Error("a data object has data sets")
	}
}

func join(refs []acsi.Ref) string {
	names := make([]string, len(refs))
	for i, r := range refs {
		names[i] = r.String()
	}
	return strings.Join(names, " ")
}

// Conformance: cLog.
func TestALogIsReadPageByPage(t *testing.T) {
	peer := &cabinet{page: 3}
	for i := range 10 {
		peer.log = append(peer.log, acsi.LogEntry{ID: acsi.EntryNumber(uint64(i + 1)), Time: noon.Add(time.Duration(i) * time.Second)})
	}
	query := func(q LogQuery) string {
		var got []string
		for e, err := range New(peer).QueryLog(bg, acsi.MustRef("A/LLN0.log"), q) {
			if err != nil {
				got = append(got, err.Error())
				break
			}
			got = append(got, fmt.Sprint(e.ID.Number()))
		}
		return strings.Join(got, " ")
	}
	for _, test := range []struct {
		name string
		q    LogQuery
		want string
	}{
		{"all", LogQuery{}, "1 2 3 4 5 6 7 8 9 10"},
		{"of a time", LogQuery{From: noon.Add(2 * time.Second), To: noon.Add(7 * time.Second)}, "3 4 5 6 7 8"},
		{"after an entry", LogQuery{From: noon, After: acsi.EntryNumber(8)}, "9 10"},
		{"none", LogQuery{From: noon.Add(time.Hour)}, ""},
	} {
		if got := query(test.q); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	peer.repeat = true
	if got := query(LogQuery{}); !strings.Contains(got, "1 2 3 the IED answers with the entry after which") {
		t.Errorf("an IED that repeats itself: %s", got)
	}
	peer.page = 0
	if got := query(LogQuery{}); got != "the IED says that there are more entries, and gives none" {
		t.Errorf("an IED that has always more: %s", got)
	}
}

// Conformance: cFt.
func TestFilesComeAndGo(t *testing.T) {
	peer := &cabinet{files: map[string]string{"a.cfg": "0123456789"}}
	c := New(peer)
	var got bytes.Buffer
	var told []int64
	file, err := c.GetFile(bg, "a.cfg", 4, &got, func(done, total int64) { told = append(told, done, total) })
	if err != nil || got.String() != "456789" || file.Size != 10 || cmp.Diff([]int64{10, 10}, told) != "" {
		t.Errorf("got %q of %v, told %v, %v", got.String(), file, told, err)
	}
	peer.size = 5
	if _, err := c.GetFile(bg, "a.cfg", 0, io.Discard, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that ends early: %v", err)
	}
	if _, err := c.GetFile(bg, "b", 0, io.Discard, nil); !errors.Is(err, &acsi.Error{Code: acsi.ObjectNonExistent}) {
		t.Errorf("an unknown file: %v", err)
	}
	if err := c.PutFile(bg, "c", strings.NewReader("new"), 3, nil); err != nil || peer.files["c"] != "new" {
		t.Errorf("put: %v, %v", peer.files, err)
	}
	if err := c.PutFile(bg, "", strings.NewReader("new"), 3, nil); err == nil {
		t.Error("a file without a name is put")
	}
	if err := c.DeleteFile(bg, "c"); err != nil || peer.files["c"] != "" {
		t.Errorf("delete: %v, %v", peer.files, err)
	}
}

// Conformance: cSg.
func TestSettingsAreEditedWhollyOrNotAtAll(t *testing.T) {
	setting := Assignment{Object: Object{Ref: acsi.MustRef("A/PTOC1.StrVal.setMag.f[SE]")}, Value: value.Float(2)}
	for _, test := range []struct {
		name, refuse string
		want         []string
	}{
		{"all goes well", "", []string{"A/LLN0.SGCB.EditSG[SP]=unsigned 2", "A/PTOC1.StrVal.setMag.f[SE]=float32 2", "A/LLN0.SGCB.CnfEdit[SP]=true"}},
		{"a setting is refused", "f", []string{"A/LLN0.SGCB.EditSG[SP]=unsigned 2", "A/PTOC1.StrVal.setMag.f[SE]=float32 2", "A/LLN0.SGCB.EditSG[SP]=unsigned 0"}},
		{"the group is refused", "EditSG", []string{"A/LLN0.SGCB.EditSG[SP]=unsigned 2"}},
	} {
		peer := &cabinet{refuse: test.refuse}
		err := New(peer).EditSettings(bg, "A", 2, setting)
		if (err == nil) != (test.refuse == "") {
			t.Errorf("%s: %v", test.name, err)
		}
		if d := cmp.Diff(test.want, peer.said); d != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, d)
		}
	}
	peer := &cabinet{}
	if err := New(peer).EditSettings(bg, "B", 1, setting); err == nil || peer.said != nil {
		t.Errorf("a setting of another logical device: %v, %v", peer.said, err)
	}
	if err := New(peer).ActivateGroup(bg, "A", 3); err != nil || cmp.Diff([]string{"A/LLN0.SGCB.ActSG[SP]=unsigned 3"}, peer.said) != "" {
		t.Errorf("%v, %v", peer.said, err)
	}
}
