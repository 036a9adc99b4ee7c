package mmsmap_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/acsi/server"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/secure/rbac"
	"busbar.example/value"
)

// counted is a link that counts requests by service.
type counted struct {
	assoc.Link
	mu       sync.Mutex
	requests map[string]int
}

func (c *counted) Send(ctx context.Context, pdu mms.PDU) error {
	if r, ok := pdu.(*mms.ConfirmedRequest); ok {
		c.mu.Lock()
		c.requests[mms.RequestKind(r.Service).String()]++
		c.mu.Unlock()
	}
	return c.Link.Send(ctx, pdu)
}

// take gives the counts and begins anew.
func (c *counted) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := fmt.Sprint(c.requests)
	clear(c.requests)
	return s
}

// largeObject serves LD/GGIO1.Big, a data object with so many settings that its type has no room in the least PDU,
// in an order that is not that of their names; and an array as large.
func largeObject(t *testing.T) (*server.Engine, *mmsmap.Client, *counted) {
	t.Helper()
	leaf := func(name string) *acsi.Node {
		return &acsi.Node{Name: name, Kind: acsi.DataAttributeNode, FC: acsi.SP, Type: acsi.Type{Kind: value.Integer, Size: 32}}
	}
	big := &acsi.Node{Name: "Big", Kind: acsi.DataObjectNode}
	for i := range 100 {
		big.Children = append(big.Children, leaf(fmt.Sprintf("set%d", (i*37)%100)))
	}
	long := &acsi.Node{Name: "Long", Kind: acsi.DataObjectNode, Children: []*acsi.Node{leaf("val"), leaf("numPts")}}
	long.Children[0].Count = 400
	ln := &acsi.Node{Name: "GGIO1", Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{long, big}}
	e, err := server.New(server.Config{Model: &acsi.Model{IED: "X", LDs: []*acsi.LogicalDevice{{Name: "LD", LNs: []*acsi.LogicalNode{{Node: ln}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	distinguish(e)
	near, far := testbed.Pipe(everyRole(), rbac.Subject{})
	(&wired{}).serve(t, far, e.Services)
	link := &counted{Link: near, requests: map[string]int{}}
	c, err := mmsmap.Associate(t.Context(), link, assoc.Config{MaxPDU: assoc.MinPDU})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Abort)
	return e, c, link
}

// A type that has no room in a PDU comes in parts. Then nobody knows the order of the structure: its value is put
// together in the order of the definition, and it is not written as a whole.
func TestTypeLargerThanAPDU(t *testing.T) {
	e, c, link := largeObject(t)
	big := acsi.MustRef("LD/GGIO1.Big[SP]")
	definition, err := c.GetDataDefinition(t.Context(), big)
	if err != nil {
		t.Fatal(err)
	}
	if len(definition.Children) != 100 {
		t.Fatalf("the definition has %d parts, want 100", len(definition.Children))
	}
	if got, want := link.take(), "map[getNameList:1 getVariableAccessAttributes:104]"; got != want {
		t.Errorf("the definition took %s, want %s", got, want)
	}
	whole, err := c.GetDataDefinition(t.Context(), acsi.MustRef("LD/GGIO1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(definition, whole.Child("Big").Under(acsi.SP)); diff != "" {
		t.Errorf("alone and in its logical node the definition differs:\n%s", diff)
	}
	if got := link.take(); got != "map[]" {
		t.Errorf("the second definition took %s, want nothing", got)
	}
	results, err := c.GetDataValues(t.Context(), []acsi.Ref{big, acsi.MustRef("LD/GGIO1.Big.set3[SP]")})
	if err != nil || results[0].Err != nil || results[1].Err != nil {
		t.Fatal(err, results)
	}
	if v := results[0].Value; v.Len() != 100 || v.Kind() != value.Structure {
		t.Fatalf("the value is %v", v)
	}
	for i, part := range definition.Children {
		want, err := e.Value(acsi.MustRef("LD/GGIO1.Big." + part.Name + "[SP]"))
		if err != nil || !results[0].Value.At(i).Equal(want) {
			t.Errorf("part %d, %s: got %v, want %v %v", i, part.Name, results[0].Value.At(i), want, err)
		}
	}
	errs, err := c.SetDataValues(t.Context(), []acsi.Assignment{{Ref: big, Value: results[0].Value},
		{Ref: acsi.MustRef("LD/GGIO1.Big.set3[SP]"), Value: value.Int(5)}})
	if err != nil || text(errs[0]) != "object-access-unsupported" || !strings.Contains(errs[0].Error(), "one by one") || errs[1] != nil {
		t.Errorf("write: got %v %v, want the structure refused and its part written", errs, err)
	}
}

// A value that has no room in a PDU is read in parts; what stands beside it is not lost.
func TestValueLargerThanAPDU(t *testing.T) {
	e, c, link := largeObject(t)
	refs := []acsi.Ref{acsi.MustRef("LD/GGIO1.Long[SP]"), acsi.MustRef("LD/GGIO1.Long.numPts[SP]"), acsi.MustRef("LD/GGIO1.Long.val(7)[SP]")}
	results, err := c.GetDataValues(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for i, ref := range refs {
		if want, err := e.Value(ref); err != nil || results[i].Err != nil || !results[i].Value.Equal(want) {
			t.Errorf("%v: got %v %v, want %v %v", ref, results[i].Value, results[i].Err, want, err)
		}
	}
	if got, want := link.take(), "map[getVariableAccessAttributes:1 read:"; !strings.HasPrefix(got, want) {
		t.Errorf("it took %s, want one definition and some reads", got)
	}
}

// One leaf that is larger than a PDU is an error in its place.
func TestLeafLargerThanAPDU(t *testing.T) {
	leaf := &acsi.Node{Name: "o", Kind: acsi.DataAttributeNode, FC: acsi.SP, Type: acsi.Type{Kind: value.OctetString, Size: 9000}}
	ln := &acsi.Node{Name: "GGIO1", Kind: acsi.LogicalNodeNode, Children: []*acsi.Node{{Name: "A", Kind: acsi.DataObjectNode, Children: []*acsi.Node{leaf}}}}
	c := connect(t, stub{
		definition: func(ref acsi.Ref) (*acsi.Node, error) { return ln.Children[0].Under(ref.FC()), nil },
		get: func(refs []acsi.Ref) ([]acsi.Result, error) {
			results := make([]acsi.Result, len(refs))
			for i, ref := range refs {
				if results[i].Value = value.Int(1); ref.Name() != "B" {
					results[i].Value = value.Octets(make([]byte, 9000))
				}
			}
			return results, nil
		},
	}.services, everyRole(), assoc.Config{MaxPDU: assoc.MinPDU})
	results, err := c.GetDataValues(t.Context(), []acsi.Ref{acsi.MustRef("LD/GGIO1.A[SP]"), acsi.MustRef("LD/GGIO1.B[SP]")})
	if err != nil || text(results[0].Err) != "object-access-unsupported" || !strings.Contains(results[0].Err.Error(), "longer than a PDU") || results[1].Err != nil {
		t.Errorf("got %v %v, want an error for the first only", results, err)
	}
}
