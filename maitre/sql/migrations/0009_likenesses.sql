-- What assistants say of themselves, as embeddings: a router compares a guest's question with them.

create table likenesses (
    mark   text primary key,                  -- sha256 of the embedder's model and the text
    vector real[] not null
);
create trigger likenesses_changed after insert or update or delete on likenesses
    for each statement execute function catalogue_changed();
