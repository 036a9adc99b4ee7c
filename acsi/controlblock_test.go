package acsi

import (
	"fmt"
	"strings"
	"testing"
)

// attributes are the names of what is in n, with their types and "!" where no service writes them.
func attributes(n *Node) string {
	var parts []string
	for _, c := range n.Children {
		s := c.Name
		if len(c.Children) > 0 {
			s += "{" + attributes(c) + "}"
		} else {
			s += ":" + c.Basic
		}
		if c.ReadOnly {
			s += "!"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func TestControlBlocksHaveTheirAttributesInOrder(t *testing.T) {
	address := "DstAddress{Addr:Octet6! PRIORITY:INT8U! VID:INT16U! APPID:INT16U!}! "
	for _, tc := range []struct {
		class string
		able  Abilities
		fc    FC
		want  string
	}{
		{URCB, Abilities{}, RP, "RptID:VisString129 RptEna:BOOLEAN Resv:BOOLEAN DatSet:ObjRef ConfRev:INT32U! OptFlds:OptFlds BufTm:INT32U " +
			"SqNum:INT8U! TrgOps:TrgOps IntgPd:INT32U GI:BOOLEAN Owner:Octet64!"},
		{URCB, Abilities{FixedDatSet: true, FixedTrgOps: true, FixedIntgPd: true, NoOwner: true, NoResvTms: true}, RP,
			"RptID:VisString129 RptEna:BOOLEAN Resv:BOOLEAN DatSet:ObjRef! ConfRev:INT32U! OptFlds:OptFlds BufTm:INT32U " +
				"SqNum:INT8U! TrgOps:TrgOps! IntgPd:INT32U! GI:BOOLEAN"},
		{BRCB, Abilities{}, BR, "RptID:VisString129 RptEna:BOOLEAN DatSet:ObjRef ConfRev:INT32U! OptFlds:OptFlds BufTm:INT32U SqNum:INT16U! " +
			"TrgOps:TrgOps IntgPd:INT32U GI:BOOLEAN PurgeBuf:BOOLEAN EntryID:EntryID TimeofEntry:EntryTime! ResvTms:INT16 Owner:Octet64!"},
		{BRCB, Abilities{FixedRptID: true, FixedOptFlds: true, FixedBufTm: true, NoResvTms: true, NoOwner: true}, BR,
			"RptID:VisString129! RptEna:BOOLEAN DatSet:ObjRef ConfRev:INT32U! OptFlds:OptFlds! BufTm:INT32U! SqNum:INT16U! " +
				"TrgOps:TrgOps IntgPd:INT32U GI:BOOLEAN PurgeBuf:BOOLEAN EntryID:EntryID TimeofEntry:EntryTime!"},
		{LCB, Abilities{}, LG, "LogEna:BOOLEAN LogRef:ObjRef! DatSet:ObjRef OldEntrTm:EntryTime! NewEntrTm:EntryTime! OldEntr:EntryID! " +
			"NewEntr:EntryID! TrgOps:TrgOps IntgPd:INT32U"},
		{LCB, Abilities{FixedLog: true}, LG, "LogEna:BOOLEAN LogRef:ObjRef! DatSet:ObjRef! OldEntrTm:EntryTime! NewEntrTm:EntryTime! " +
			"OldEntr:EntryID! NewEntr:EntryID! TrgOps:TrgOps! IntgPd:INT32U!"},
		{SGCB, Abilities{}, SP, "NumOfSG:INT8U! ActSG:INT8U EditSG:INT8U CnfEdit:BOOLEAN LActTm:Timestamp! ResvTms:INT16U!"},
		{GoCB, Abilities{}, GO, "GoEna:BOOLEAN! GoID:VisString129! DatSet:ObjRef! ConfRev:INT32U! NdsCom:BOOLEAN! " + address +
			"MinTime:INT32U! MaxTime:INT32U! FixedOffs:BOOLEAN!"},
		{MSVCB, Abilities{}, MS, "SvEna:BOOLEAN! MsvID:VisString129! DatSet:ObjRef! ConfRev:INT32U! SmpRate:INT16U! OptFlds:SvOptFlds! " +
			"SmpMod:Enum! " + address + "noASDU:INT16U!"},
		{USVCB, Abilities{}, US, "SvEna:BOOLEAN! Resv:BOOLEAN! UsvID:VisString129! DatSet:ObjRef! ConfRev:INT32U! SmpRate:INT16U! " +
			"OptFlds:SvOptFlds! SmpMod:Enum! " + address + "noASDU:INT16U!"},
	} {
		t.Run(fmt.Sprint(tc.class, tc.able), func(t *testing.T) {
			n := ControlBlock(tc.class, "name", tc.able)
			if got := attributes(n); got != tc.want || n.CDC != tc.class || n.Kind != ControlBlockNode || n.Name != "name" {
				t.Errorf("%s %s %s\n got %s\nwant %s", n.Kind, n.CDC, n.Name, got, tc.want)
			}
			if fcs := n.FCs(); len(fcs) != 1 || fcs[0] != tc.fc {
				t.Errorf("it is under %v", fcs)
			}
		})
	}
}

func TestControlBlockOfNoClassPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("there is a control block of class XCB")
		}
	}()
	ControlBlock("XCB", "x", Abilities{})
}

func TestBasicTypesByName(t *testing.T) {
	if q, ok := BasicType("Quality"); !ok || q.Size != -QualityBits {
		t.Errorf("Quality is %v, %t", q, ok)
	}
	if x, ok := BasicType("quality"); ok {
		t.Errorf("quality is %v", x)
	}
}
