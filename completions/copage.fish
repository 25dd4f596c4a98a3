# copage.fish - completion of copage for fish
#
# A test holds the options in here to `copage VERB --help`.

function __copage_no_verb
    test (count (commandline -opc)) -eq 1
end

function __copage_verb
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

function __copage_topics
    copage ls --names 2>/dev/null
end

complete -c copage -f
complete -c copage -n __copage_no_verb -s h -l help -d 'list the verbs'
complete -c copage -n __copage_no_verb -s V -l version -d 'tell the version'
complete -c copage -n __copage_no_verb -a pub -d 'publish standard input, or a file'
complete -c copage -n __copage_no_verb -a sub -d 'write messages to standard output'
complete -c copage -n __copage_no_verb -a ls -d 'list the topics of a root'
complete -c copage -n __copage_no_verb -a stat -d 'look into a topic'
complete -c copage -n __copage_no_verb -a create -d 'make a topic that stays'
complete -c copage -n __copage_no_verb -a rm -d 'remove topics'
complete -c copage -n __copage_no_verb -a gc -d 'remove what dead processes left'
complete -c copage -n __copage_no_verb -a forget -d 'forget a named subscriber'
complete -c copage -n __copage_no_verb -a help -d 'explain the command or a verb'

complete -c copage -n 'not __copage_no_verb' -s h -l help -d 'explain this verb'
complete -c copage -n '__copage_verb pub sub stat rm gc forget' -a '(__copage_topics)'
complete -c copage -n '__copage_verb ls' -a '(__fish_complete_directories)'
complete -c copage -n '__copage_verb help' -a 'pub sub ls stat create rm gc forget exit-codes formats'

complete -c copage -n '__copage_verb pub' -l lines -d 'a message is a line with its newline'
complete -c copage -n '__copage_verb pub' -l strip -d 'a message is a line without its newline'
complete -c copage -n '__copage_verb pub' -l chunk -x -d 'a message is so many bytes'
complete -c copage -n '__copage_verb pub' -l framed -d 'the input is frames'
complete -c copage -n '__copage_verb pub' -s f -l file -r -F -d 'read a file'
complete -c copage -n '__copage_verb pub' -s n -l count -x -d 'stop after so many messages'
complete -c copage -n '__copage_verb pub' -l rate -x -d 'so many messages a second at most'
complete -c copage -n '__copage_verb pub' -l name -x -d 'publish under a name'
complete -c copage -n '__copage_verb pub' -l resume -d 'step over what the lane has already'
complete -c copage -n '__copage_verb pub' -l subscribers -x -d 'wait for so many before sending'
complete -c copage -n '__copage_verb pub' -l when-full -x -a 'wait fail drop' -d 'when the lane is full'
complete -c copage -n '__copage_verb pub' -l timeout -x -d 'wait no longer'
complete -c copage -n '__copage_verb pub' -l linger -x -d 'wait no longer at the end'
complete -c copage -n '__copage_verb pub create' -l message-max -x -d 'the largest message of a lane'
complete -c copage -n '__copage_verb pub create' -l segments -x -d 'segments of a lane'

complete -c copage -n '__copage_verb sub' -l raw -d 'messages as they are'
complete -c copage -n '__copage_verb sub' -l framed -d frames
complete -c copage -n '__copage_verb sub' -l json -d 'a line of JSON for each message'
complete -c copage -n '__copage_verb sub' -l from -x -a 'oldest newest' -d 'where to begin'
complete -c copage -n '__copage_verb sub' -s n -l count -x -d 'end after so many messages'
complete -c copage -n '__copage_verb sub' -l lossy -d 'publishers do not wait for us'
complete -c copage -n '__copage_verb sub' -l latest -d 'only the newest of each publisher'
complete -c copage -n '__copage_verb sub' -l name -x -d 'be remembered under a name'
complete -c copage -n '__copage_verb sub' -l until-closed -d 'end when the last publisher closed'
complete -c copage -n '__copage_verb sub' -l publishers -x -d 'not before so many have come and gone'
complete -c copage -n '__copage_verb sub' -l timeout -x -d 'end when nothing came for so long'

complete -c copage -n '__copage_verb pub sub' -s q -l quiet -d 'tell failures only'
complete -c copage -n '__copage_verb pub sub' -l progress -d 'show progress everywhere'
complete -c copage -n '__copage_verb pub sub' -l stats -d 'print totals at the end'

complete -c copage -n '__copage_verb ls' -s l -l long -d 'owner, mode and age too'
complete -c copage -n '__copage_verb ls' -l names -d 'only names'
complete -c copage -n '__copage_verb ls stat gc' -l json -d JSON
complete -c copage -n '__copage_verb stat' -s i -l interval -x -d 'look again and again, with rates'
complete -c copage -n '__copage_verb stat' -s n -l count -x -d 'so many times'
complete -c copage -n '__copage_verb create' -l mode -x -a '0600 0660 0666' -d 'who may take part'
complete -c copage -n '__copage_verb create' -l group -x -a '(__fish_complete_groups)' -d 'the group of its files'
complete -c copage -n '__copage_verb create' -l hold-away -d 'wait for subscribers that are away'
complete -c copage -n '__copage_verb rm' -s f -l force -d 'although live members are there'
complete -c copage -n '__copage_verb gc' -s n -l dry-run -d 'only tell what would be removed'
