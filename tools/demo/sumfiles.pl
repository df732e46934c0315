# SPDX-License-Identifier: GPL-2.0-only
#
# Write 10,000 files that each hold a number, read them all back, and check the
# sum against the formula: a file system that loses or mixes up one file fails.
use strict;
use warnings;

my $n   = 10_000;
my $dir = "/srv/numbers";

mkdir $dir or die "$dir: $!\n";
for my $i ( 1 .. $n ) {
	open( my $f, '>', "$dir/$i" ) or die "$dir/$i: $!\n";
	print $f "$i\n";
	close $f or die "$dir/$i: $!\n";
}

my ( $sum, $files ) = ( 0, 0 );
opendir( my $d, $dir ) or die "$dir: $!\n";
for my $name ( readdir $d ) {
	next if $name =~ /^\./;
	open( my $f, '<', "$dir/$name" ) or die "$dir/$name: $!\n";
	my $value = <$f>;
	die "$dir/$name holds $value\n" if $value != $name;
	$sum += $value;
	$files++;
}

my $want = $n * ( $n + 1 ) / 2;
die "sum of $files files is $sum, not $want\n" if $files != $n || $sum != $want;
print "wrote and summed $files files: $sum\n";
