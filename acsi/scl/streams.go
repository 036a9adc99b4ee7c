package scl

import (
	"cmp"

	"busbar.example/acsi"
	"busbar.example/value"
)

// addGOOSE gives the logical node a GOOSE control block, with its values: it is only read.
//
// IEC 61850-6, 9.3.10.
func (b *blocker) addGOOSE(block *controlBlock) error {
	if block.stream.gsse { // of Edition 1 alone
		return nil
	}
	ref, ok, err := b.add(acsi.GoCB, block.name, block)
	if err != nil || !ok {
		return err
	}
	b.give(ref, "GoID", value.Visible(b.id(block, ref)))
	b.giveDataSet(ref, block)
	b.give(ref, "FixedOffs", value.Bool(block.stream.fixedOffs))
	if f := b.frame("GSE", block); f != nil {
		b.giveAddress(ref, f)
		b.give(ref, "MinTime", value.Uint(f.minTime))
		b.give(ref, "MaxTime", value.Uint(f.maxTime))
	}
	return nil
}

// addSampled gives the logical node a control block for sampled values, with its values: it is only read.
//
// IEC 61850-6, 9.3.11.
func (b *blocker) addSampled(block *controlBlock) error {
	class, id := acsi.MSVCB, "MsvID"
	if block.stream.unicast {
		class, id = acsi.USVCB, "UsvID"
	}
	ref, ok, err := b.add(class, block.name, block)
	if err != nil || !ok {
		return err
	}
	b.give(ref, id, value.Visible(b.id(block, ref)))
	b.giveDataSet(ref, block)
	b.give(ref, "SmpRate", value.Uint(b.number(block, "smpRate", block.stream.rate, 16)))
	b.give(ref, "OptFlds", value.Bits(8, []byte{block.stream.options}))
	b.give(ref, "noASDU", value.Uint(b.number(block, "nofASDU", block.stream.asdus, 16)))
	mode := b.nodes[len(b.nodes)-1].Child("SmpMod").Enum
	if v, ok := mode.ByName(cmp.Or(block.stream.mode, mode.Values[0].Name)); ok {
		b.give(ref, "SmpMod", value.Int(int64(v.Ord)))
	} else {
		b.finding(ruleBlockValue, block.line, block.String(), "smpMod=%s is none", quote(block.stream.mode))
	}
	if f := b.frame("SMV", block); f != nil {
		b.giveAddress(ref, f)
	}
	return nil
}

func (b *blocker) giveDataSet(ref acsi.Ref, block *controlBlock) {
	b.give(ref, "DatSet", value.Visible(b.dataSet(block).MMS()))
	b.give(ref, "ConfRev", value.Uint(b.number(block, "confRev", block.confRev, 32)))
}

func (b *blocker) giveAddress(ref acsi.Ref, f *frame) {
	if f.mac != nil {
		b.give(ref, "DstAddress.Addr", value.Octets(f.mac))
	}
	b.give(ref, "DstAddress.PRIORITY", value.Uint(f.priority))
	b.give(ref, "DstAddress.VID", value.Uint(f.vid))
	b.give(ref, "DstAddress.APPID", value.Uint(f.appID))
}

// give is the value of an attribute of the control block ref at the start.
func (b *blocker) give(ref acsi.Ref, attribute string, v value.Value) {
	at, err := acsi.NewRef(ref.LD(), ref.Item()+"."+attribute, ref.FC())
	if err == nil { // add has made sure that it fits
		b.out.Values = append(b.out.Values, acsi.InitialValue{Ref: at, Value: v})
	}
}

// frame is where the messages of the control block go, or nil where the file does not say it.
func (b *blocker) frame(element string, block *controlBlock) *frame {
	return b.frames[frameKey{b.model.IED, element, b.ld.inst, block.name}]
}
