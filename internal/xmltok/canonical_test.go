package xmltok

import "testing"

func TestCanonicalReportIsItsOwnCanonicalForm(t *testing.T) {
	doc := report(t)
	got, err := Canonicalize(nil, doc, "", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(doc) {
		t.Errorf("got %d octets, want %d:\n%s", len(got), len(doc), got)
	}
}
