package mmsmap_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/value"
)

// names answers GetNameList with what list gives after a name, and read with nothing.
func names(list func(after string) ([]string, bool)) assoc.Handler {
	return func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		r, ok := request.(*mms.GetNameListRequest)
		if !ok {
			return nil, &assoc.ServiceError{Class: mms.ServicePDUSize}
		}
		part, more := list(r.ContinueAfter)
		return &mms.GetNameListResponse{ListOfIdentifier: part, MoreFollows: more}, nil
	}
}

func TestListsOfNamesThatMakeNoSense(t *testing.T) {
	for _, tc := range []struct {
		name string
		list func(after string) ([]string, bool)
		want string
	}{
		{"the same part again and again", func(string) ([]string, bool) { return []string{"A", "B"}, true }, "not in order"},
		{"in no order", func(string) ([]string, bool) { return []string{"B", "A"}, false }, "not in order"},
		{"one name twice", func(string) ([]string, bool) { return []string{"A", "A"}, false }, "not in order"},
		{"nothing, and more follows", func(string) ([]string, bool) { return nil, true }, "nothing does"},
		{"more follows, and nothing does", func(after string) ([]string, bool) {
			if after == "" {
				return []string{"A"}, true
			}
			return nil, true
		}, "nothing does"},
		{"a name without end", func(string) ([]string, bool) { return []string{strings.Repeat("a", 20000)}, false }, "20000 octets"},
		{"more names than there can be", func(after string) ([]string, bool) {
			var from int
			fmt.Sscanf(after, "N%d", &from)
			var part []string
			for i := range 1500 {
				part = append(part, fmt.Sprintf("N%08d", from+i+1))
			}
			return part, true
		}, "longer than"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := against(t, names(tc.list))
			got, err := c.GetLogicalDeviceDirectory(t.Context(), "LD")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %d names and %v, want an error with %q", len(got), err, tc.want)
			}
		})
	}
}

// The directory of a node takes what is below it, whatever else the peer lists.
func TestNodeDirectoryTakesWhatIsBelow(t *testing.T) {
	c := against(t, names(func(after string) ([]string, bool) {
		if after != "LN" {
			t.Errorf("asked for names after %q, want those of LN", after)
		}
		return []string{"LN$", "LN$CO", "LN$CO$", "LN$CO$Pos", "LN$CO$Pos$Oper", "LN$ST", "LN$ST$Pos", "LN$ST$Zz", "LN$Zz", "LN1", "LN1$ST$Op"}, true
	}))
	got, err := c.GetLogicalNodeDirectory(t.Context(), acsi.MustRef("LD/LN"))
	if want := "[Pos Zz]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v %v, want %s", got, err, want)
	}
	if _, err := c.GetLogicalNodeDirectory(t.Context(), acsi.MustRef("LD/LN.Pos")); text(err) != "invalid-address" {
		t.Errorf("of a data object: got %v", err)
	}
}

func structure(components ...mms.TypeComponent) *mms.StructureType {
	return &mms.StructureType{Components: components}
}

func component(name string, spec mms.TypeSpecification) mms.TypeComponent {
	return mms.TypeComponent{ComponentName: name, ComponentType: spec}
}

// node is the type of a logical node with one attribute of type spec.
func node(spec mms.TypeSpecification) mms.TypeSpecification {
	return structure(component("SP", structure(component("Obj", structure(component("attr", spec))))))
}

func array(n uint32, element mms.TypeSpecification) mms.TypeSpecification {
	return &mms.ArrayType{NumberOfElements: n, ElementType: element}
}

func TestTypesThatMakeNoSense(t *testing.T) {
	deep := mms.TypeSpecification(mms.BooleanType{})
	for range 6 {
		deep = structure(component("x", array(10, deep)))
	}
	wide := structure()
	for i := range 300 {
		wide.Components = append(wide.Components, component(fmt.Sprint("a", i), array(1000, mms.BooleanType{})))
	}
	for _, tc := range []struct {
		name string
		spec mms.TypeSpecification
		want string
	}{
		{"a node that is no structure", mms.BooleanType{}, "LN is no structure"},
		{"a constraint that nobody knows", structure(component("QQ", structure())), "unknown"},
		{"a constraint that is no structure", structure(component("ST", mms.UTCTimeType{})), "LN$ST"},
		{"a data object that is no structure", structure(component("ST", structure(component("Obj", mms.UTCTimeType{})))), "Obj"},
		{"a data object without parts", structure(component("ST", structure(component("Obj", structure())))), "Obj"},
		{"an attribute without parts", node(structure()), "attr"},
		{"no name", node(structure(component("", mms.BooleanType{}))), "no name"},
		{"a name with a point", node(structure(component("a.b", mms.BooleanType{}))), `"a.b"`},
		{"a name with an index", node(structure(component("a(1)", mms.BooleanType{}))), `"a(1)"`},
		{"a name with markup", node(structure(component("<b>&'", mms.BooleanType{}))), "no name"},
		{"a name without end", node(structure(component(strings.Repeat("a", 10000), mms.BooleanType{}))), "no name"},
		{"a name twice", node(structure(component("a", mms.BooleanType{}), component("a", mms.UTCTimeType{}))), "twice"},
		{"an array of nothing", node(array(0, mms.BooleanType{})), "0 elements"},
		{"an array without end", node(array(1<<32-1, mms.BooleanType{})), "4294967295 elements"},
		{"an array of arrays", node(array(2, array(2, mms.BooleanType{}))), "does not use"},
		{"many elements, level by level", node(deep), "elements"},
		{"many elements, side by side", node(wide), "parts"},
		{"arrays of unequal length", structure(
			component("ST", structure(component("Obj", array(2, structure(component("a", mms.BooleanType{})))))),
			component("MX", structure(component("Obj", array(3, structure(component("b", mms.BooleanType{}))))))), "2 elements under ST, and 3 under MX"},
		{"a number of no bits", node(mms.IntegerType(0)), "attr"},
		{"a float of 16 bits", node(mms.FloatingPointType{FormatWidth: 16, ExponentWidth: 5}), "attr"},
		{"a kind that IEC 61850 has not", node(mms.BCDType(4)), "does not use"},
		{"a type elsewhere", node(mms.TypeName{Name: mms.VMDSpecific("T")}), "does not use"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
				return &mms.GetVariableAccessAttributesResponse{TypeSpecification: tc.spec}, nil
			})
			n, err := c.GetDataDefinition(t.Context(), acsi.MustRef("LD/LN"))
			if err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 300 {
				t.Errorf("got %v and %v, want an error with %q", n, err, tc.want)
			}
			if c.Err() != nil {
				t.Errorf("the association ended: %v", c.Err())
			}
		})
	}
}

// What another IED may well say, ours does not.
func TestTypesOfOtherServers(t *testing.T) {
	spec := structure(
		component("ST", structure(component("B", structure(component("b", mms.BooleanType{}))), component("C", structure(component("c", mms.BooleanType{}))))),
		component("MX", structure(component("A", structure(component("a", mms.BooleanType{}))), component("C", structure(component("d", mms.BooleanType{}))))),
		component("CF", structure(component("C", structure(component("e", mms.BooleanType{}))), component("B", structure(component("f", mms.BooleanType{}))))))
	c := against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return &mms.GetVariableAccessAttributesResponse{TypeSpecification: spec}, nil
	})
	n, err := c.GetDataDefinition(t.Context(), acsi.MustRef("LD/LN"))
	if err != nil {
		t.Fatal(err)
	}
	// ST and CF contradict each other, yet the order under each is the peer's.
	for fc, want := range map[acsi.FC]string{acsi.ST: "B C", acsi.MX: "A C", acsi.CF: "C B"} {
		var got []string
		for _, child := range n.Under(fc).Children {
			got = append(got, child.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("under %v: got %v, want %s", fc, got, want)
		}
	}
	names, err := c.GetDataDirectory(t.Context(), acsi.MustRef("LD/LN"))
	if err != nil || len(names) != 3 {
		t.Errorf("directory: got %v %v, want three names", names, err)
	}
}

// A server that finds everything too large and lists ever more parts does not keep a client for ever.
func TestTypeInPartsHasAnEnd(t *testing.T) {
	asked := 0
	c := against(t, func(_ context.Context, request mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		switch r := request.(type) {
		case *mms.GetNameListRequest:
			if len(r.ContinueAfter) > 100 {
				return &mms.GetNameListResponse{}, nil
			}
			return &mms.GetNameListResponse{ListOfIdentifier: []string{r.ContinueAfter + "$a"}, MoreFollows: true}, nil
		default:
			asked++
			return nil, &assoc.ServiceError{Class: mms.ServicePDUSize}
		}
	})
	if _, err := c.GetDataDefinition(t.Context(), acsi.MustRef("LD/LN[ST]")); err == nil || asked > 60 {
		t.Errorf("got %v after %d questions", err, asked)
	}
	asked = 0
	results, err := c.GetDataValues(t.Context(), []acsi.Ref{acsi.MustRef("LD/LN.A[ST]"), acsi.MustRef("LD/LN.B[ST]")})
	if err != nil || results[0].Err == nil || results[1].Err == nil || asked > 200 {
		t.Errorf("read: got %v %v after %d questions, want an error for each object", results, err, asked)
	}
}

func TestReadsAnsweredWithAnotherCount(t *testing.T) {
	refs := []acsi.Ref{acsi.MustRef("LD/LN.A.a[ST]"), acsi.MustRef("LD/LN.B.a[ST]")}
	for n := range 4 {
		c := against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			r := &mms.ReadResponse{ListOfAccessResult: []mms.AccessResult{}}
			for range n {
				r.ListOfAccessResult = append(r.ListOfAccessResult, &mms.Success{Value: value.Int(1)})
			}
			return r, nil
		})
		if results, err := c.GetDataValues(t.Context(), refs); (err == nil) != (n == len(refs)) {
			t.Errorf("%d results: got %v %v", n, results, err)
		}
	}
}

// An answer of another kind than was asked for ends the association: nothing that it says can be trusted.
func TestAnswerOfAnotherKind(t *testing.T) {
	c := against(t, func(context.Context, mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
		return &mms.WriteResponse{Results: []mms.WriteResult{mms.WriteSuccess{}}}, nil
	})
	_, err := c.GetDataValues(t.Context(), []acsi.Ref{acsi.MustRef("LD/LN.A.a[ST]")})
	var broken *assoc.ProtocolError
	if !errors.As(err, &broken) {
		t.Errorf("got %v, want a protocol error", err)
	}
	<-c.Done()
}

// A server that does not answer holds up one call, as long as its context lets it.
func TestServerThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := against(t, func(ctx context.Context, _ mms.ConfirmedServiceRequest) (mms.ConfirmedServiceResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.GetAllDataValues(ctx, acsi.MustRef("LD/LN")); !errors.Is(err, assoc.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want no answer within the minute", err)
		}
	})
}

// A peer that asks for ever new names costs a server no more than a few of them do.
func TestNamesOfAPeerAreNotKept(t *testing.T) {
	e := engine(t, "pv.cid")
	a, _ := rawly(t, e.Services, everyRole())
	const atOnce, times = 250, 100
	heap := func() int {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	ask := func(from, to int) {
		for i := from; i < to; i++ {
			var list mms.ListOfVariable
			for j := range atOnce {
				list = append(list, named(pv, fmt.Sprintf("MMXU1$MX$TotW$%s%d_%d", strings.Repeat("x", 30), i, j)))
			}
			if _, err := a.Call(t.Context(), &mms.ReadRequest{VariableAccessSpecification: list}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(0, times/4)
	before := heap()
	ask(times/4, times)
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d names more have cost %d octets of memory", atOnce*times*3/4, grown)
	}
}
