package xmppd_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"busbar.example/xmpp/xmppd"
)

// rule is one line of the table in docs/broker.md.
type rule struct {
	clause    string
	stanzas   []string // kind, and type after a space
	to        string   // bare, absent, or the name of a resource
	resources string   // of the addressee: nobody, none, or names with priorities
	outcome   string
}

// readRules returns the table of the rules for stanzas.
func readRules(t *testing.T) []rule {
	t.Helper()
	text, err := os.ReadFile("../../docs/broker.md")
	if err != nil {
		t.Fatal(err)
	}
	var rules []rule
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| 8.5.") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 5 {
			t.Fatalf("a rule has %d columns, want 5: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rules = append(rules, rule{cells[0], strings.Split(cells[1], ", "), cells[2], cells[3], cells[4]})
	}
	return rules
}

// TestStanzaRules plays the table of docs/broker.md, which is also the list of what it proves.
//
// RFC 6121, Section 8.5.
func TestStanzaRules(t *testing.T) {
	byResources := map[string][]rule{}
	clauses := map[string]bool{}
	for _, r := range readRules(t) {
		byResources[r.resources] = append(byResources[r.resources], r)
		clauses[r.clause] = true
	}
	for _, c := range []string{"8.5.1", "8.5.2.1.1", "8.5.2.1.2", "8.5.2.1.3", "8.5.2.2.1", "8.5.2.2.2", "8.5.2.2.3",
		"8.5.3.1", "8.5.3.2.1", "8.5.3.2.2", "8.5.3.2.3"} {
		if !clauses[c] {
			t.Errorf("no rule of %s", c)
		}
	}
	for resources, rules := range byResources {
		t.Run(resources, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playRules(t, resources, rules) })
		})
	}
}

// playRules sends each stanza of the rules to an account that has those resources.
func playRules(t *testing.T, resources string, rules []rule) {
	s := newSite(t, func(c *xmppd.Config) { c.Groups = groups("hmi pv1") })
	defer s.close()
	sender := s.connect("hmi@dso.example", "1")
	account, at := "pv1@dso.example", map[string]*rawClient{}
	switch resources {
	case "nobody":
		account = "nobody@dso.example"
	case "none":
	default:
		for r := range strings.SplitSeq(resources, ", ") {
			name, priority, _ := strings.Cut(r, " ")
			at[name] = s.connect(account, name)
			if priority != "connected" {
				at[name].send("<presence><priority>" + priority + "</priority></presence>")
			}
			synctest.Wait()
		}
	}
	drop := func() {
		for _, c := range at {
			c.take()
		}
	}
	drop()
	for _, r := range rules {
		to := account
		if r.to != "bare" {
			to += "/" + r.to
		}
		for _, st := range r.stanzas {
			kind, typ, _ := strings.Cut(st, " ")
			if typ != "" {
				typ = " type='" + typ + "'"
			}
			sent := fmt.Sprintf("<%s%s id='7' to='%s'><q xmlns='urn:x'/></%[1]s>", kind, typ, to)
			sender.send(sent)
			synctest.Wait()
			if got := outcome(t, sent, sender, at); got != r.outcome {
				t.Errorf("RFC 6121, %s: %s came to %q, want %q", r.clause, sent, got, r.outcome)
			}
		}
	}
}

// outcome says in the words of the table what a stanza came to, and checks what arrived.
func outcome(t *testing.T, sent string, sender *rawClient, at map[string]*rawClient) string {
	t.Helper()
	type element struct {
		XMLName xml.Name
		Type    string `xml:"type,attr"`
		ID      string `xml:"id,attr"`
		From    string `xml:"from,attr"`
		To      string `xml:"to,attr"`
		Error   struct {
			Condition struct{ XMLName xml.Name } `xml:",any"`
		} `xml:"error"`
	}
	read := func(text string) (el element) {
		if err := xml.Unmarshal([]byte(text), &el); err != nil {
			t.Errorf("%s made %q arrive: %v", sent, text, err)
		}
		return el
	}
	asked := read(sent)
	var all []string
	for name, c := range at {
		for _, text := range c.take() {
			got := read(text)
			if got.XMLName != asked.XMLName || got.To != asked.To || got.From != "hmi@dso.example/1" || got.ID != "7" {
				t.Errorf("%s arrived as %s", sent, text)
			}
			all = append(all, name)
		}
	}
	slices.Sort(all)
	for _, text := range sender.take() {
		switch got := read(text); {
		case got.Type == "error" && got.From == asked.To && got.ID == "7":
			all = append(all, got.Error.Condition.XMLName.Local)
		case got.XMLName.Local == "presence" && strings.HasPrefix(got.From+"/", strings.TrimSuffix(asked.To, "/absent")+"/"):
			if got.Type == "" {
				got.Type = "available"
			}
			all = append(all, got.Type)
		default:
			t.Errorf("%s was answered %s", sent, text)
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}
