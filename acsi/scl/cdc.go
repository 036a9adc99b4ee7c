package scl

import (
	"strings"
	"sync"
)

// cdc is what a common data class says of its attributes.
type cdc struct {
	name      string
	mandatory []string            // in every edition
	fcs       map[string][]string // the functional constraints that an attribute may have, by its name
}

// basic is the basic type of an attribute where it matters how it travels, or "".
func (c *cdc) basic(name string) string {
	switch name {
	case "q":
		return "Quality"
	case "t":
		return "Timestamp"
	case "stVal":
		switch c.name {
		case "SPS", "SPC":
			return "BOOLEAN"
		case "DPS", "DPC":
			return "Dbpos"
		}
	}
	return ""
}

const (
	described   = "DC:d,dU EX:cdcNs,cdcName,dataNs "
	substituted = described + "BL:blkEna SV:subEna,subVal,subMag,subCVal,subQ,subID "
	controlled  = substituted + "CO:SBO,SBOw,Oper,Cancel OR:opRcvd,opOk,tOpOk ST:origin,ctlNum,stSeld CF:ctlModel!,sboTimeout,sboClass,operTimeout "
	setting     = described + "SP:setVal,setMag SG:setVal,setMag SE:setVal,setMag CF:minVal,maxVal,stepSize,units,sVC "
	phases      = described + "CF:angRef,phsToNeut,numHar,numCyc,evalTm,units,smpRate,frequency,hvRef,rmsCyc,maxPts "
)

// classes are the common data classes: a line each, name and then functional constraints with their attributes; one that
// every edition makes mandatory has an exclamation mark. What differs between editions is left open.
//
// IEC 61850-7-3, 7; those without attributes here: IEC 61850-7-2, 14 (tracking), IEC 61850-7-420 and IEC 61400-25-2.
const classes = `
SPS ` + substituted + `ST:stVal!,q!,t!
DPS ` + substituted + `ST:stVal!,q!,t!
INS ` + substituted + `ST:stVal!,q!,t! CF:units
ENS ` + substituted + `ST:stVal!,q!,t!
ACT ` + described + `ST:general!,phsA,phsB,phsC,neut,q!,t!,originSrc CF:operTmPhsA,operTmPhsB,operTmPhsC
ACD ` + described + `ST:general!,dirGeneral!,phsA,dirPhsA,phsB,dirPhsB,phsC,dirPhsC,neut,dirNeut,q!,t!
SEC ` + described + `ST:cnt!,sev!,t!,addr,addInfo
BCR ` + described + `ST:actVal,frVal,frTm,q!,t! CF:units,pulsQty,frEna,strTm,frPd,frRs
HST ` + described + `ST:hstVal!,q!,t! CF:numPts,hstRangeC,units,maxPts
VSS ` + described + `ST:stVal!,q!,t!
ORS ` + described + `ST:stVal!,q!,t!
TCS ` + described + `ST:stVal!,q!,t!
MV ` + substituted + `MX:instMag,mag!,range,q!,t! CF:units,db,zeroDb,sVC,rangeC,smpRate,dbRef,zeroDbRef
CMV ` + substituted + `MX:instCVal,cVal!,range,rangeAng,q!,t! CF:units,db,dbAng,zeroDb,rangeC,rangeAngC,magSVC,angSVC,angRef,smpRate,dbRef,dbAngRef,zeroDbRef
SAV ` + described + `MX:instMag!,q!,t CF:units,sVC,min,max
WYE ` + phases + `
DEL ` + phases + `
SEQ ` + described + `CF:phsRef
HMV ` + phases + `
HWYE ` + phases + `
HDEL ` + phases + `
SPC ` + controlled + `ST:stVal,q,t CF:pulseConfig
DPC ` + controlled + `ST:stVal!,q!,t! CF:pulseConfig
INC ` + controlled + `ST:stVal!,q!,t! CF:minVal,maxVal,stepSize,units
ENC ` + controlled + `ST:stVal!,q!,t!
BSC ` + controlled + `ST:valWTr,q,t CF:persistent,minVal,maxVal,stepSize
ISC ` + controlled + `ST:valWTr,q,t CF:minVal,maxVal,stepSize
APC ` + controlled + `MX:mxVal,q,t,origin,ctlNum,stSeld CF:units,db,zeroDb,sVC,minVal,maxVal,stepSize
BAC ` + controlled + `MX:mxVal,q,t,origin,ctlNum,stSeld CF:persistent,units,db,zeroDb,sVC,minVal,maxVal,stepSize
SPG ` + setting + `
ING ` + setting + `
ENG ` + setting + `
ORG ` + described + `SP:setSrcRef,setTstRef,setSrcCB,setTstCB,intAddr,tstEna,purpose
TSG ` + described + `SP:setTm,setCal SG:setTm,setCal SE:setTm,setCal
CUG ` + described + `SP:cur SG:cur SE:cur
VSG ` + setting + `
ASG ` + setting + `
CURVE ` + described + `
CSG ` + described + `CF:xUnits,yUnits,zUnits,maxPts
DPL ` + described + `DC:vendor!,hwRev,swRev,serNum,model,location,name,owner,ePSName,primeOper,secondOper,latitude,longitude,altitude,mrID
LPL ` + described + `DC:vendor!,swRev!,configRev EX:ldNs,lnNs ST:paramRev,valRev
CSD ` + described + `
VSD ` + described + `
SCA
SCR
ERY
ASS
STV
ALM
CMD
CTE
SPV
TMS
CTS
BTS
UTS
LTS
OTS
GTS
MTS
NTS
STS
CST
`

var commonDataClasses = sync.OnceValue(func() map[string]*cdc {
	all := map[string]*cdc{}
	for line := range strings.Lines(classes) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		c := &cdc{name: fields[0], fcs: map[string][]string{}}
		for _, field := range fields[1:] {
			fc, attributes, _ := strings.Cut(field, ":")
			for attribute := range strings.SplitSeq(attributes, ",") {
				name, mandatory := strings.CutSuffix(attribute, "!")
				if mandatory {
					c.mandatory = append(c.mandatory, name)
				}
				c.fcs[name] = append(c.fcs[name], fc)
			}
		}
		all[c.name] = c
	}
	return all
})

// lnClasses are the logical node classes of IEC 61850-7-4, -7-410 and -7-420.
const lnClasses = `
LLN0 LPHD LCCH LGOS LSVS LTIM LTMS LTRK LTPC LTPP LTPS LSMU LSYN
ANCR ARCO ARIS ATCC AVCO
CALH CCGR CILO CPOW CSWI CSYN CRPS
FCNT FCSD FFIL FLIM FPID FRMP FSCC FSCH FSPT FXOT FXUT FXPS FHBT
GAPC GGIO GLOG GSAL
IARC IHMI ISAF ITCI ITMI ITPC IFIR
KFAN KFIL KFIM KPMP KTNK KVLV KHTR KPIP
MADV MAMD MCRN MENV MFLK MFLW MFUL MHAI MHAN MHET MHYD MMDC MMET MMTN MMTR MMXN MMXU MPRS MSQI MSTA MTHR MTMP MVIB MVOL MHYM MDIF
PDIF PDIR PDIS PDOP PDUP PFRC PHAR PHIZ PIOC PMHE PMRI PMSS POPF PPAM PRTR PSCH PSDE PTDF PTEF PTHF PTOC PTOF PTOV PTRC PTTR PTUC PTUF PTUV PUPF PVOC PVPH PZSU PVOP
QFVR QITR QIUB QVTR QVUB QVVR QRVC
RADR RBDR RBRF RDIR RDRE RDRS RFLO RMXU RPSB RREC RSYN RRDS
SARC SCBR SIMG SIML SIMS SLTC SOPM SPDC SPTR SSWI STMP SVBR SIMH SCTR SFOU
TANG TAXD TCTR TDST TFLW TFRQ TGSN THUM TLVL TMGF TMVM TPOS TPRS TRTN TSND TTMP TTNS TVBR TVTR TWPH TLEV TECW
XCBR XFFL XSWI XDFB
YEFN YLTC YPSH YPTR
ZAXN ZBAT ZBSH ZBTC ZCAB ZCAP ZCON ZGEN ZGIL ZINV ZLIN ZMOT ZREA ZRES ZRRC ZSAR ZSCR ZSMC ZTCF ZTCR ZRTC
HBRG HCOM HDAM HDFL HDLS HEBR HGOV HGPI HGTE HGTP HITG HJCL HLKG HLVL HMBR HNDL HNHD HOTP HRES HRLD HSEQ HSPD HSST HTGV HTRB HTRK HTUR HUNT HVLV HWCL
DCCT DCIP DCRP DCTS DEEV DESE DEXC DFCL DFLV DFPM DFTS DGEN DHET DOPA DOPM DOPR DPST DPVA DPVC DPVM DPVT DRAT DRAZ DRCC DRCS DRCT DREX DROP DRTP DSCC DSCH DSFC DSTK DSTO
DAGC DBAT DCHC DCND DECP DFWS DLFD DLFL DMVR DPCC DPFW DPLD DPMC DPRT DRGN DTCD DUNT DVAR DVVR DVWC DWFL DWGC DWMN DWMX DHFW DHVT DLVT DVRT DVTL DFPF DINV DRVS DVWA DVWR DWVR DEPS DECM DESP DFSO DCFG DPSP DSRC DSTC DMAN DOLM DPOT DPPC
DTOF DWLF DTCR DSPT DFXC
ZREC ZINVE MBAT SBAT SPVT WTUR WROT WTRM WGEN WCNV WTRF WNAC WYAW WTOW WALM WSLG WALG WREP WAVL WAPC WRPC WMET
`

var knownLNs = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, name := range strings.Fields(lnClasses) {
		all[name] = true
	}
	return all
})
